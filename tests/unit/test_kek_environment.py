"""The environment and in-memory providers: where they are refused, and how variables are read."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import AegisError, ConfigurationError, KEKError, KEKReason, KeyReason, KeyRefusedError
from aegis_stream.kek import EnvironmentKEKProvider, InMemoryKEKProvider, KEKProvider, check_kek, get_kek_provider
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair

PRODUCTION = {"AEGIS_ENVIRONMENT": "production"}


@pytest.fixture
def environ(kek_pair: HybridKeypair) -> dict[str, str]:
    """Return the guide's two variables."""
    return {
        "AEGIS_MASTER_KEK_PUBLIC": b64encode(kek_pair.public),
        "AEGIS_MASTER_KEK_PRIVATE": b64encode(kek_pair.private),
    }


def refusal(environ: dict[str, str]) -> AegisError:
    """Return the error of the environment provider."""
    with pytest.raises(AegisError) as caught:
        EnvironmentKEKProvider(environ=environ)
    return caught.value


def test_environment_kek_is_refused_in_production(environ: dict[str, str]) -> None:
    """Software protection alone must be a decision, not an accident."""
    error = refusal(environ | PRODUCTION)
    assert error.reason == KEKReason.FORBIDDEN
    assert "AEGIS_ALLOW_ENVIRONMENT_KEK=1" in error.remedy
    with pytest.raises(KEKError):
        get_kek_provider(environ=environ | PRODUCTION)


@pytest.mark.parametrize("leave", ["1", "true", "yes"])
def test_environment_kek_is_allowed_in_production_explicitly(environ: dict[str, str], leave: str) -> None:
    """Some clusters have nothing better."""
    check_kek(EnvironmentKEKProvider(environ=environ | PRODUCTION | {"AEGIS_ALLOW_ENVIRONMENT_KEK": leave}))


@pytest.mark.parametrize("leave", ["0", "", "no"])
def test_anything_else_allows_nothing(environ: dict[str, str], leave: str) -> None:
    """A switch that is off must be off in every spelling."""
    assert refusal(environ | PRODUCTION | {"AEGIS_ALLOW_ENVIRONMENT_KEK": leave}).reason == KEKReason.FORBIDDEN


def test_memory_kek_is_refused_in_production_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """No leave helps: its keys are lost with the process."""
    environ = PRODUCTION | {"AEGIS_ALLOW_ENVIRONMENT_KEK": "1"}
    for attempt in (
        lambda: InMemoryKEKProvider(environ=environ),
        lambda: get_kek_provider("in_memory", environ=environ),
    ):
        with pytest.raises(KEKError) as caught:
            attempt()
        assert caught.value.reason == KEKReason.FORBIDDEN
    monkeypatch.setenv("AEGIS_ENVIRONMENT", "production")
    with pytest.raises(KEKError):
        InMemoryKEKProvider()


@pytest.mark.parametrize("stage", ["Production", "PROD", "prod", "produktion", "staging"])
def test_stage_that_nobody_knows_is_not_taken_for_less_than_production(environ: dict[str, str], stage: str) -> None:
    """A slip in one word must not open what production forbids."""
    misspelt = {"AEGIS_ENVIRONMENT": stage}
    for attempt in (
        lambda: InMemoryKEKProvider(environ=misspelt),
        lambda: get_kek_provider(environ=misspelt),
        lambda: get_kek_provider(environ=environ | misspelt),
    ):
        with pytest.raises(ConfigurationError, match="AEGIS_ENVIRONMENT"):
            attempt()


@pytest.mark.parametrize("stage", ["", "development", "test"])
def test_known_stages_below_production_allow_both(environ: dict[str, str], stage: str) -> None:
    """As docs/settings.md lists them."""
    InMemoryKEKProvider(environ={"AEGIS_ENVIRONMENT": stage})
    EnvironmentKEKProvider(environ=environ | {"AEGIS_ENVIRONMENT": stage})


@pytest.mark.parametrize("name", ["AEGIS_ALLOW_ENVIRONMENT_KEK", "AEGIS_KEK_CLEAR_ENVIRONMENT"])
def test_switch_that_says_neither_yes_nor_no_is_refused(environ: dict[str, str], name: str) -> None:
    """Whoever wrote it believes that the private key leaves the environment."""
    error = refusal(environ | PRODUCTION | {"AEGIS_ALLOW_ENVIRONMENT_KEK": "1"} | {name: "ture"})
    assert isinstance(error, ConfigurationError)
    assert name in str(error)


@pytest.mark.parametrize("own", [False, True])
def test_memory_kek_warns(kek_pair: HybridKeypair, caplog: pytest.LogCaptureFixture, *, own: bool) -> None:
    """Also where the program brings the keypair."""
    with caplog.at_level(logging.WARNING, logger="aegis_stream.kek"):
        InMemoryKEKProvider(keypair=kek_pair if own else None, environ={})
    assert "in memory only" in caplog.text


def test_environment_kek_warns(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Outside production it works, and says what it is."""
    with caplog.at_level(logging.WARNING, logger="aegis_stream.kek"):
        EnvironmentKEKProvider(environ=environ)
    assert "software protection only" in caplog.text


def test_next_kek_obeys_the_same_production_mode(kek_pair: HybridKeypair) -> None:
    """AEGIS_ENVIRONMENT has no second name under AEGIS_NEXT_."""
    environ = {
        "AEGIS_NEXT_MASTER_KEK_PUBLIC": b64encode(kek_pair.public),
        "AEGIS_NEXT_MASTER_KEK_PRIVATE": b64encode(kek_pair.private),
    }
    assert EnvironmentKEKProvider(prefix="AEGIS_NEXT_", environ=environ).get_public_key() == kek_pair.public
    with pytest.raises(KEKError):
        EnvironmentKEKProvider(prefix="AEGIS_NEXT_", environ=environ | PRODUCTION)


def test_guide_snippet_works_without_arguments(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the first line that anybody tries."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    check_kek(EnvironmentKEKProvider())
    check_kek(EnvironmentKEKProvider.from_environment())


@pytest.mark.parametrize(
    "text",
    ["not base64!", "QR==", "QUJD\nREVG", "QUJD REVG", "QUI", "QUI_", "é"],
    ids=["alphabet", "stray bits", "line break", "space", "no padding", "url alphabet", "not ascii"],
)
def test_value_must_be_canonical_base64(environ: dict[str, str], text: str) -> None:
    """A copy that lost or gained something is refused by its form, with the variable's name and no value."""
    error = refusal(environ | {"AEGIS_MASTER_KEK_PRIVATE": text})
    assert error.reason == KeyReason.ENCODING
    assert "AEGIS_MASTER_KEK_PRIVATE" in str(error)
    assert text not in str(error)


def test_white_space_at_the_ends_is_no_part_of_a_value(environ: dict[str, str]) -> None:
    """Shells and editors add line breaks."""
    check_kek(EnvironmentKEKProvider(environ={name: f" {value}\n" for name, value in environ.items()}))


def test_swapped_keys_are_named(environ: dict[str, str]) -> None:
    """The likeliest slip gets the clearest words."""
    swapped = dict(zip(environ, reversed(environ.values()), strict=True))
    error = refusal(swapped)
    assert error.reason == KeyReason.LENGTH
    assert "swapped" in error.remedy


def test_variable_and_file_together_are_refused(environ: dict[str, str]) -> None:
    """Nobody could say which of the two was meant."""
    error = refusal(environ | {"AEGIS_MASTER_KEK_PRIVATE_FILE": "/somewhere"})
    assert error.reason == KEKReason.CONFLICT


def from_file(environ: dict[str, str], name: str, path: Path) -> dict[str, str]:
    """Move one variable into a file."""
    path.write_text(environ[name] + "\n")
    path.chmod(0o600)
    return {other: value for other, value in environ.items() if other != name} | {f"{name}_FILE": str(path)}


def test_private_key_file_that_others_can_read_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """It is as public as the machine."""
    moved = from_file(environ, "AEGIS_MASTER_KEK_PRIVATE", tmp_path / "key")
    check_kek(EnvironmentKEKProvider(environ=moved))
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(KeyRefusedError) as caught:
        EnvironmentKEKProvider(environ=moved)
    assert caught.value.reason == KeyReason.PERMISSIONS


def test_public_key_file_may_have_any_mode(environ: dict[str, str], tmp_path: Path) -> None:
    """It is no secret."""
    moved = from_file(environ, "AEGIS_MASTER_KEK_PUBLIC", tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    check_kek(EnvironmentKEKProvider(environ=moved))


@pytest.mark.parametrize("kind", ["missing", "folder", "large", "binary"])
@pytest.mark.parametrize("name", ["AEGIS_MASTER_KEK_PRIVATE", "AEGIS_MASTER_KEK_PUBLIC"])
def test_unusable_file_is_named(environ: dict[str, str], tmp_path: Path, kind: str, name: str) -> None:
    """A mount that is not there is the usual reason."""
    path = tmp_path / "key"
    moved = from_file(environ, name, path)
    if kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(b"A" * 70_000 if kind == "large" else os.urandom(64) + b"\xff")
    with pytest.raises(ConfigurationError) as caught:
        EnvironmentKEKProvider(environ=moved)
    assert f"{name}_FILE" in str(caught.value)
    assert str(path) in str(caught.value)


def test_secrets_stay_in_the_environment_unless_asked(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Other libraries of a process may need them; clearing is a decision."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    EnvironmentKEKProvider()
    assert "AEGIS_MASTER_KEK_PRIVATE" in os.environ


def test_threads_that_start_together_all_get_the_key_that_one_of_them_clears(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between looking for the variable and reading it, another thread may have taken it away."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AEGIS_KEK_CLEAR_ENVIRONMENT", "1")
    start = threading.Barrier(8)

    def load(_: int) -> KEKProvider:
        start.wait(30)
        return get_kek_provider()

    with ThreadPoolExecutor(8) as pool:
        providers = list(pool.map(load, range(8)))
    assert len({id(provider) for provider in providers}) == 1
    assert "AEGIS_MASTER_KEK_PRIVATE" not in os.environ


def test_cleared_provider_is_not_given_out_for_another_key(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for the configuration it came from, and for no other."""
    monkeypatch.setenv("AEGIS_KEK_CLEAR_ENVIRONMENT", "1")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    first = get_kek_provider()
    assert get_kek_provider() is first
    other = InMemoryKEKProvider(environ={}).get_public_key()
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", b64encode(other))
    with pytest.raises(KEKError) as caught:
        get_kek_provider()
    assert caught.value.reason == KEKReason.INCOMPLETE


def test_cleared_provider_does_not_stand_before_another(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where KMS is configured meanwhile for the same key, KMS is meant."""
    monkeypatch.setenv("AEGIS_KEK_CLEAR_ENVIRONMENT", "1")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    get_kek_provider()
    monkeypatch.setenv("AEGIS_KMS_KEY_ID", "alias/x")
    with pytest.raises(KEKError, match="AEGIS_KMS_WRAPPED_PRIVATE_KEY"):
        get_kek_provider()

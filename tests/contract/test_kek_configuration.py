"""One contract for every KEK provider that variables describe."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import AegisError, KEKError, KEKReason
from aegis_stream.kek import check_kek, get_kek_provider
from aegis_stream.wire import kek_id
from tests.support.leaks import told_by, traces_of_key

if TYPE_CHECKING:
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair
    from tests.support.custody import Custody

PREFIXES = ["AEGIS_", "AEGIS_NEXT_"]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("by_name", [False, True])
def test_variables_choose_the_provider(
    configurable: Custody, kek_pair: HybridKeypair, prefix: str, *, by_name: bool
) -> None:
    """The guide's variables are all that a deployment sets, a second time for the new KEK of a rotation."""
    environ = configurable.variables(configurable.blob(kek_pair), kek_pair.public, prefix=prefix)
    provider = get_kek_provider(configurable.name if by_name else None, prefix=prefix, environ=environ)
    assert (provider.name, provider.kek_id) == (configurable.name, kek_id(kek_pair.public))
    check_kek(provider)


def test_provider_reads_the_process_environment(
    configurable: Custody, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments, as in the guide."""
    for name, value in configurable.variables(configurable.blob(kek_pair), kek_pair.public).items():
        monkeypatch.setenv(name, value)
    check_kek(get_kek_provider())


def test_values_may_come_from_files(configurable: Custody, kek_pair: HybridKeypair, tmp_path: Path) -> None:
    """Containers mount secrets as files, with a line break at the end."""
    environ = {}
    for name, value in configurable.variables(configurable.blob(kek_pair), kek_pair.public).items():
        path = tmp_path / name
        path.write_text(value + "\n")
        path.chmod(0o600)
        environ[f"{name}_FILE"] = str(path)
    check_kek(get_kek_provider(environ=environ))


def test_half_a_configuration_names_what_is_missing(configurable: Custody, kek_pair: HybridKeypair) -> None:
    """It must never fall through to another provider, least of all to one in memory."""
    whole = configurable.variables(configurable.blob(kek_pair), kek_pair.public)
    for name in whole:
        half = {other: value for other, value in whole.items() if other != name}
        with pytest.raises(KEKError) as caught:
            get_kek_provider(environ=half)
        assert caught.value.reason == KEKReason.INCOMPLETE
        assert name in str(caught.value) + caught.value.remedy


def test_empty_variable_counts_as_missing(configurable: Custody, kek_pair: HybridKeypair) -> None:
    """Compose files pass variables on that nobody has set."""
    whole = configurable.variables(configurable.blob(kek_pair), kek_pair.public)
    name = next(iter(whole))
    with pytest.raises(KEKError) as caught:
        get_kek_provider(configurable.name, environ={**whole, name: " "})
    assert caught.value.reason == KEKReason.INCOMPLETE
    assert name in str(caught.value)


def test_broken_provider_is_an_error_and_no_reason_to_take_another(
    configurable: Custody, kek_pair: HybridKeypair
) -> None:
    """Else an attacker who disturbs KMS would choose which KEK is used."""
    blob = configurable.blob(kek_pair)
    environ = configurable.variables(blob[:200] + bytes([blob[200] ^ 1]) + blob[201:], kek_pair.public)
    with pytest.raises(AegisError) as caught:
        get_kek_provider(environ=environ)
    assert not caught.value.retryable


def test_choice_is_said(configurable: Custody, kek_pair: HybridKeypair, caplog: pytest.LogCaptureFixture) -> None:
    """An operator must be able to see which provider runs, and why."""
    caplog.set_level(logging.INFO, logger="aegis_stream.kek")
    environ = configurable.variables(configurable.blob(kek_pair), kek_pair.public)
    get_kek_provider(environ=environ)
    assert f"KEK provider {configurable.name}: " in caplog.text
    assert " is set" in caplog.text


@pytest.mark.parametrize("prefix", PREFIXES)
def test_secrets_leave_the_environment_where_asked(
    configurable: Custody, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    """Child processes and later dumps must not find them, and the next call must still get a provider."""
    for name, value in configurable.variables(configurable.blob(kek_pair), kek_pair.public, prefix=prefix).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AEGIS_KEK_CLEAR_ENVIRONMENT", "1")
    first = get_kek_provider(prefix=prefix)
    assert [name for name in configurable.secret_variables if f"{prefix}{name}" in os.environ] == []
    again = get_kek_provider(prefix=prefix)
    check_kek(again)
    assert again.kek_id == first.kek_id
    assert configurable.secret_variables == frozenset() or again is first


def test_errors_of_a_configuration_show_no_secret(configurable: Custody, kek_pair: HybridKeypair) -> None:
    """Every secret in turn stands in another variable, as after a slip in a deployment file."""
    whole = configurable.variables(configurable.blob(kek_pair), kek_pair.public)
    secret = next((f"AEGIS_{name}" for name in configurable.secret_variables), next(iter(whole)))
    for name in whole.keys() - {secret}:
        with pytest.raises(AegisError) as caught:
            get_kek_provider(environ={**whole, name: whole[secret]})
        assert traces_of_key(kek_pair.private, told_by(caught.value)) == []
        assert whole[secret] not in f"{caught.value!r} {caught.value} {caught.value.remedy}"

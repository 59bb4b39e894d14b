"""`aegis keys init` on a real broker."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import os
import stat
from typing import TYPE_CHECKING

import pytest

from aegis_stream.cli import main
from aegis_stream.custodian import BIP322Provider
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.kek import get_kek_provider
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.settings import load_settings
from aegis_stream.wire import b64encode, kek_id
from tests.support.control_topic import make_topic, read_all
from tests.support.key_files import followed, raw, variables
from tests.support.keyrings import PlainKek

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def topic(kafka: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a control topic, and point the environment at it and at nothing else."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    topic = topic_name("control")
    monkeypatch.setenv("AEGIS_BROKER", kafka)
    monkeypatch.setenv("AEGIS_DEPLOYMENT", topic_name("d")[:90])
    monkeypatch.setenv("AEGIS_TOPIC_CONTROL", topic)
    asyncio.run(make_topic(kafka, topic, cleanup_policy="compact"))
    return topic


def test_init_makes_a_deployment(kafka: str, topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command, and every role has what it needs: the KEK opens the DEK that the manifest names."""
    folder = tmp_path / "my keys"
    assert main(["keys", "init", "--out", str(folder), "--kek-out", str(folder / "kek.key")]) == 0
    keyring = followed(kafka, topic, folder)
    active, manifest = keyring.active(), keyring.manifest
    assert active is not None
    assert manifest is not None
    assert manifest.sequence == 1
    assert active.version.text == f"dek-v1-{dt.datetime.now(dt.UTC):%Y%m%d}"
    assert active.signed
    assert [entry.first_n for entry in manifest.enrichers] == [1]
    private = HybridPrivateKey.from_bytes(raw(folder / "kek.key"), public=raw(folder / "kek.pub"))
    assert kek_id(private.public) == manifest.current_kek.id

    class Kek(PlainKek):
        def __init__(self) -> None:
            self._private, self.kek_id, self.asked = private, kek_id(private.public), 0

    assert ReaderKeys(keyring, [Kek()]).reading_key(active.version.text) is not None
    captured = capsys.readouterr()
    assert f"published manifest 1 of {manifest.deployment}: {active.version.text}" in captured.out
    for secret in ("kek.key", "agent-signing.key", "session-signing-enricher.key", "pseudonym.key"):
        assert (folder / secret).read_text().strip() not in captured.out + captured.err


def test_files_are_private_and_lengths_right(tmp_path: Path) -> None:
    """Secrets are one line of base64 that nobody else can read."""
    folder = tmp_path / "keys"
    assert main(["keys", "init", "--out", str(folder), "--kek-out", str(folder / "kek.key")]) == 0
    lengths = {
        "agent-signing.key": 64,
        "agent-signing.pub": 1344,
        "session-signing-enricher.key": 32,
        "session-signing-enricher.pub": 32,
        "pseudonym.key": 32,
        "kek.key": 2432,
        "kek.pub": 1216,
    }
    roles = {"enricher.env", "rotator.env", "reader.env", "operator.env"}
    assert {path.name for path in folder.iterdir()} == {*lengths, *roles}
    assert {name: len(raw(folder / name)) for name in lengths} == lengths
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o644 if path.suffix == ".pub" else 0o600), path.name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_role_is_told_anothers_secret(tmp_path: Path) -> None:
    """A stolen enricher opens nothing, and a reader signs nothing."""
    folder = tmp_path / "keys"
    options = ["--enricher", "east", "--enricher", "west", "--kek-out", str(tmp_path / "kek.key")]
    assert main(["keys", "init", "--out", str(folder), *options]) == 0
    common = {"AEGIS_BROKER", "AEGIS_DEPLOYMENT", "AEGIS_TOPIC_CONTROL", "AEGIS_AGENT_PUBLIC_KEY_FILE"}
    own = {
        "east": {"AEGIS_SESSION_SIGNING_KEY_FILE", "AEGIS_PSEUDONYM_KEY_FILE"},
        "west": {"AEGIS_SESSION_SIGNING_KEY_FILE", "AEGIS_PSEUDONYM_KEY_FILE"},
        "rotator": {"AEGIS_AGENT_SIGNING_KEY_FILE", "AEGIS_MASTER_KEK_PUBLIC_FILE"},
        "reader": {"AEGIS_MASTER_KEK_PUBLIC_FILE", "AEGIS_MASTER_KEK_PRIVATE_FILE"},
        "operator": set(),
    }
    told = {role: variables(folder / f"{role}.env") for role in own}
    assert {role: set(names) for role, names in told.items()} == {role: common | names for role, names in own.items()}
    for role in ("east", "west"):
        assert told[role]["AEGIS_SESSION_SIGNING_KEY_FILE"] == str(folder / f"session-signing-{role}.key")
    assert told["reader"]["AEGIS_MASTER_KEK_PRIVATE_FILE"] == str(tmp_path / "kek.key")


def test_variables_are_settings_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`set -a; . keys/enricher.env` is all that a user types."""
    folder = tmp_path / "it's here"
    assert main(["keys", "init", "--out", str(folder), "--kek-out", str(tmp_path / "kek.key")]) == 0
    for role, signs_sessions, signs_manifests in (
        ("enricher", True, False),
        ("rotator", False, True),
        ("reader", False, False),
        ("operator", False, False),
    ):
        for name in [name for name in os.environ if name.startswith("AEGIS_")]:
            monkeypatch.delenv(name)
        for name, value in variables(folder / f"{role}.env").items():
            monkeypatch.setenv(name, value)
        settings = load_settings()
        assert settings.agent_public_keys == (raw(folder / "agent-signing.pub"),)
        assert (settings.session_signing_key is not None) == signs_sessions
        assert (settings.agent_signing_key is not None) == signs_manifests
        if role == "reader":
            assert get_kek_provider().kek_id == kek_id(raw(folder / "kek.pub"))


def test_kek_without_a_file_is_printed_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed to be stored elsewhere; no file has it."""
    folder = tmp_path / "keys"
    assert main(["keys", "init", "--out", str(folder)]) == 0
    captured = capsys.readouterr()
    printed = dict(line.split("=", 1) for line in captured.out.splitlines() if line.startswith("AEGIS_MASTER_KEK"))
    private = base64.b64decode(printed["AEGIS_MASTER_KEK_PRIVATE"])
    assert HybridPrivateKey.from_bytes(private).public == raw(folder / "kek.pub")
    assert base64.b64decode(printed["AEGIS_MASTER_KEK_PUBLIC"]) == raw(folder / "kek.pub")
    assert "shown this once" in captured.err
    assert all(printed["AEGIS_MASTER_KEK_PRIVATE"] not in path.read_text() for path in folder.iterdir())


def test_kek_that_is_there_is_used(
    kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A KEK in KMS or an HSM shows its public key only; this command never sees the rest."""
    public = HybridKEM.generate_keypair().public
    file = tmp_path / "kms.pub"
    file.write_text(base64.b64encode(public).decode())
    folder = tmp_path / "keys"
    assert (
        main(["keys", "init", "--out", str(folder), "--kek-public", str(file), "--kek-out", str(tmp_path / "x")]) == 2
    )
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", base64.b64encode(public).decode())
    assert main(["keys", "init", "--out", str(folder)]) == 0
    captured = capsys.readouterr()
    assert "PRIVATE" not in captured.out
    assert "reader.env" in captured.err
    manifest = followed(kafka, topic, folder).manifest
    assert manifest is not None
    assert manifest.current_kek.public_key == public


def test_production_makes_no_kek_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment KEK in production needs explicit leave, here as in the providers."""
    monkeypatch.setenv("AEGIS_ENVIRONMENT", "production")
    arguments = ["keys", "init", "--out", str(tmp_path / "keys"), "--kek-out", str(tmp_path / "kek.key")]
    assert main(arguments) == 2
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("AEGIS_ALLOW_ENVIRONMENT_KEK", "1")
    assert main(arguments) == 0


def test_second_init_is_refused_and_leaves_nothing(
    kafka: str, topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second first manifest would take every key from those who follow the first."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["keys", "init", "--out", str(first), "--kek-out", str(first / "kek.key")]) == 0
    before = asyncio.run(read_all(kafka, topic))
    capsys.readouterr()
    assert main(["keys", "init", "--out", str(second), "--kek-out", str(tmp_path / "kek.key")]) == 1
    assert "has a manifest already" in capsys.readouterr().err
    assert not second.exists()
    assert not (tmp_path / "kek.key").exists()
    assert asyncio.run(read_all(kafka, topic)) == before


def test_files_are_never_overwritten(
    kafka: str, topic: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key of another deployment in the folder stays, and nothing is published beside it."""
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "pseudonym.key").write_text("precious")
    assert main(["keys", "init", "--out", str(folder), "--kek-out", str(tmp_path / "kek.key")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["pseudonym.key"]
    assert (folder / "pseudonym.key").read_text() == "precious"
    assert not (tmp_path / "kek.key").exists()
    assert asyncio.run(read_all(kafka, topic)) == []


@pytest.mark.parametrize(
    "arguments",
    [["--enricher", "rotator"], ["--enricher", "a", "--enricher", "a"], ["--enricher", "../x"], ["--enricher", ""]],
)
def test_names_that_would_mix_up_files_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    """A name becomes part of two file names."""
    assert main(["keys", "init", "--out", str(tmp_path / "keys"), *arguments]) == 2
    assert list(tmp_path.iterdir()) == []


# 32 bytes of 0xff are no point's x: they are not below the field's prime.
@pytest.mark.parametrize(("content", "code"), [("AAAA", 1), ("not base64", 1), ("", 1), (f"{'/' * 42}8=", 1)])
def test_custodians_keys_are_checked(tmp_path: Path, content: str, code: int) -> None:
    """A custodian who can never sign would be found out in an emergency."""
    (tmp_path / "risk.pub").write_text(content)
    options = ["--risk-lead", str(tmp_path / "risk.pub")]
    assert main(["keys", "init", "--out", str(tmp_path / "keys"), *options]) == code
    assert not (tmp_path / "keys").exists()


def test_recovery_key_is_nobody_elses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It approves what replaces a custodian: as one of the two's own it would let that one act alone."""
    (tmp_path / "risk.pub").write_text(b64encode(BIP322Provider().generate_keypair().public))
    options = [text for name in ("--risk-lead", "--recovery-key") for text in (name, str(tmp_path / "risk.pub"))]
    assert main(["keys", "init", "--out", str(tmp_path / "keys"), *options]) == 1
    assert "one of the custodians" in capsys.readouterr().err
    assert not (tmp_path / "keys").exists()


def test_state_of_an_earlier_deployment_is_pointed_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Followers would refuse the new sequence 1 as a rollback of the old deployment."""
    monkeypatch.setenv("AEGIS_STATE_DIR", str(tmp_path))
    old = tmp_path / f"{os.environ['AEGIS_DEPLOYMENT']}.reader.json"
    old.write_text("{}")
    assert main(["keys", "init", "--out", str(tmp_path / "keys"), "--kek-out", str(tmp_path / "kek.key")]) == 0
    assert f"remove {old}" in capsys.readouterr().err


def test_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is published."""
    (tmp_path / "file").write_text("")
    assert main(["keys", "init", "--out", str(tmp_path / "file" / "keys")]) == 2
    assert "cannot be made" in capsys.readouterr().err

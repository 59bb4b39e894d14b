"""Operators' commands from the first signature to the agent's answer, on a real broker with a real agent."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.custodian import custodian_key_id
from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.entries import DekState, KeyState, Role
from aegis_stream.secret_files import write_secret_file
from aegis_stream.wire import b64decode, b64encode, kek_id
from tests.support.command_line import CommandLine
from tests.support.control_topic import read_all, write
from tests.support.operators import Operators, Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aegis_stream.keyring.manifest import Manifest

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Make a deployment whose agent runs."""
    folder = tmp_path_factory.mktemp("operators")
    made = Place.make(kafka, folder, f"operators-{os.getpid()}-{time.time_ns()}")
    with running_agent(made):
        yield made


@pytest.fixture
def operators(place: Place, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Operators:
    """Let commands be typed there."""
    return Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)


def states(manifest: Manifest) -> dict[str, DekState]:
    """Return the state of each DEK."""
    return {entry.version.text: entry.state for entry in manifest.deks}


def test_one_signature_rotates(operators: Operators) -> None:
    """The command returns once the agent has answered; the log says who and what."""
    before = operators.see().manifest
    shape = operators.ask("rotate", "--reason", "quarterly", by="risk-lead")
    after = operators.see().manifest
    assert shape["state"] == "executed"
    assert shape["result"]["active_version"] == after.active.version.text  # type: ignore[index]
    assert after.active.version.n == before.active.version.n + 1
    shown = orjson.loads(operators.aegis("control", "show", shape["id"], "--json").out)
    assert (shown["state"], shown["signed_by"]) == ("executed", ["risk-lead"])
    assert "executed" in operators.aegis("control", "log").out.decode()
    assert "result active_version" in operators.aegis("control", "show", shape["id"]).out.decode()


def test_two_signatures_revoke_and_destroy(operators: Operators) -> None:
    """And the log is looked through for what is left: before compaction it is still there."""
    operators.ask("rotate", by="security-lead")
    first = operators.see().manifest.deks[0].version.text
    shape = operators.both("revoke", first)
    assert shape["state"] == "executed"
    assert "binds_by" in shape["result"]  # type: ignore[operator]
    shape = operators.both("destroy", first, "--attest-no-copies")
    assert shape["state"] == "executed"
    assert shape["result"]["copies_attested"] is True  # type: ignore[index]
    manifest = operators.see().manifest
    assert states(manifest)[first] is DekState.DESTROYED
    found = operators.aegis("keys", "prove-destroyed", first, "--json")
    assert found.code == 1
    remains = orjson.loads(found.out)["remains"]
    assert [each["keks"] for each in remains] == [[manifest.current_kek.id]]
    assert "compaction" in operators.aegis("keys", "prove-destroyed", first).err
    assert [each["overwritten"] for each in remains] == [True]
    assert "keys list" in operators.aegis("keys", "prove-destroyed", "dek-v99-20260101").err
    active = manifest.active.version.text
    assert "not destroyed but active" in operators.aegis("keys", "prove-destroyed", active).err
    assert operators.both("revoke", "--below", active)["state"] == "executed"


def test_rejected_command_ends_as_rejected(operators: Operators) -> None:
    """For its first signer that is a refusal, for who rejects it a success."""
    key = operators.folder / "refused.key"
    assert operators.aegis("enricher", "new", "--out", key).code == 0
    command = operators.ask("enricher", "enrol", key.with_suffix(".pub"), by="risk-lead")
    assert command["missing"] == ["security-lead"]
    shape = operators.ask("control", "reject", command["id"], "--reason", "not asked for", by="security-lead")
    assert shape["state"] == "REJECTED"
    ended = operators.aegis("control", "approve", command["id"], "--key", operators.key("security-lead"), "--yes")
    assert ended.code == 1


def test_enrichers_come_and_go(operators: Operators) -> None:
    """Enrolled by both, retired by one, revoked by both."""
    key = operators.folder / "west.key"
    new = operators.aegis("enricher", "new", "--out", key, "--json")
    signer = orjson.loads(new.out)["id"]
    assert operators.aegis("enricher", "new", "--out", key).code == 2
    seen = []
    operators.both("enricher", "enrol", key.with_suffix(".pub"))
    seen.append(enricher_state(operators, signer))
    operators.ask("enricher", "retire", signer, by="risk-lead")
    seen.append(enricher_state(operators, signer))
    operators.both("enricher", "revoke", signer)
    seen.append(enricher_state(operators, signer))
    assert seen == [KeyState.CURRENT, KeyState.RETIRED, KeyState.REVOKED]


def enricher_state(operators: Operators, signer: str) -> KeyState:
    """Return the state of an enricher's key."""
    return next(entry.state for entry in operators.see().manifest.enrichers if entry.id == signer)


def test_policy_comes_with_a_dek_of_its_own(operators: Operators) -> None:
    """Old events stay judged by theirs."""
    file = operators.folder / "policy.json"
    file.write_text('{"id": "wide", "names": ["iban"]}')
    shape = operators.both("policy", "set", file)
    manifest = operators.see().manifest
    assert shape["state"] == "executed"
    assert manifest.policy_of(manifest.active).names == ("iban",)


def test_refusal_of_the_agent_is_an_exit_code(operators: Operators) -> None:
    """What changes meanwhile: two custodians destroy a DEK, and a command about it was signed before."""
    version = operators.see().manifest.active.version.text
    operators.ask("rotate", by="risk-lead")
    late = operators.ask("revoke", version, by="risk-lead")
    assert operators.both("destroy", version)["state"] == "executed"
    ended = operators.aegis("control", "approve", late["id"], "--key", operators.key("security-lead"), "--yes")
    assert (ended.code, "is destroyed" in ended.err) == (1, True)


def test_kek_moves_and_the_old_one_is_retired(operators: Operators, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both open during the grace; the old one goes only when nothing hangs on it alone."""
    old = operators.see().manifest.current_kek.id
    new = next_kek(operators, monkeypatch)
    dry = operators.aegis("kek", "rewrap", "--dry-run")
    assert (dry.code, f"KEK {new}: new, current" in dry.out.decode()) == (0, True)
    ended = operators.aegis("kek", "retire", old, "--dry-run")
    assert (ended.code, "is the current KEK" in ended.err) == (1, True)
    orphan = f"rewrap/0190a6a0-0000-7000-8000-000000000000/{operators.see().manifest.active.version}"
    asyncio.run(write(os.environ["AEGIS_BROKER"], os.environ["AEGIS_TOPIC_CONTROL"], [(orphan, b"interrupted")]))
    assert operators.both("kek", "rewrap")["state"] == "executed"
    left = dict(asyncio.run(read_all(os.environ["AEGIS_BROKER"], os.environ["AEGIS_TOPIC_CONTROL"])))
    assert [key for key, value in left.items() if key.startswith("rewrap/") and value is not None] == []
    assert orphan in left
    again = operators.aegis("kek", "rewrap", "--json", "--yes", "--key", operators.key("risk-lead"))
    assert (again.code, orjson.loads(again.out)["state"]) == (0, "unchanged")
    manifest = operators.see().manifest
    assert manifest.current_kek.id == new
    assert {entry.id for entry in manifest.keks} == {old, new}
    assert operators.both("kek", "retire", old)["state"] == "executed"
    assert [entry.id for entry in operators.see().manifest.keks] == [new]


def next_kek(operators: Operators, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the present KEK and the next one in the environment; returns the id of the next."""
    pair, keys = HybridKEM.generate_keypair(), operators.folder / "keys"
    write_secret_file(operators.folder / "next.key", b64encode(pair.private))
    for prefix, public, private in (
        ("AEGIS_", (keys / "kek.pub").read_text().strip(), keys / "kek.key"),
        ("AEGIS_NEXT_", b64encode(pair.public), operators.folder / "next.key"),
    ):
        monkeypatch.setenv(f"{prefix}MASTER_KEK_PUBLIC", public)
        monkeypatch.setenv(f"{prefix}MASTER_KEK_PRIVATE_FILE", str(private))
    return kek_id(pair.public)


def test_restoring_beside_a_running_agent_writes_nothing_where_nothing_is_missing(
    operators: Operators, tmp_path: Path
) -> None:
    """An operator who is not sure may run it; the manifest in force stays."""
    file = tmp_path / "keyring.json"
    assert operators.aegis("keys", "backup", file).code == 0
    before = operators.see().manifest.active.version.text
    ended = operators.aegis("keys", "restore", file, "--yes")
    assert (ended.code, "0 record(s) missing" in ended.out.decode()) == (0, True)
    assert operators.see().manifest.active.version.text == before


def test_replacement_without_the_old_key_waits_and_may_be_vetoed(operators: Operators) -> None:
    """The result names the time, the log says WAITING, and the old key's veto ends it."""
    new = operators.new_key("usurper")
    command = operators.ask("custodian", "replace", "risk-lead", new, by="security-lead")
    shape = operators.ask("control", "approve", command["id"], by="usurper")
    assert shape["state"] == "WAITING"
    assert "effective_at" in shape["result"]  # type: ignore[operator]
    assert "WAITING" in operators.aegis("control", "log").out.decode()
    usurper = custodian_key_id(b64decode(new.read_text().strip()))
    waits = [line for line in operators.aegis("keys", "list").out.decode().splitlines() if usurper in line]
    assert [(" waiting " in line, " from 20" in line) for line in waits] == [(True, True)]
    ended = operators.aegis("rotate", "--yes", "--key", operators.key("risk-lead"))
    assert (ended.code, "whose key is being replaced" in ended.err) == (1, True)
    shape = operators.ask("control", "reject", command["id"], "--reason", "I have my key", by="risk-lead")
    assert shape["state"] == "REJECTED"
    assert operators.ask("rotate", by="risk-lead")["state"] == "executed"


def test_custodians_key_is_replaced_and_the_old_one_signs_no_more(operators: Operators) -> None:
    """With the recovery key at once; then an emergency replaces the other and rotates."""
    new = operators.new_key("risk-lead-2")
    command = operators.ask("custodian", "replace", "risk-lead", new, by="security-lead")
    operators.ask("control", "approve", command["id"], "--wait", "0", by="recovery")
    shape = operators.ask("control", "approve", command["id"], by="risk-lead-2")
    assert shape["state"] == "executed"
    assert operators.aegis("rotate", "--yes", "--key", operators.key("risk-lead")).code == 1
    before = operators.see().manifest
    new = operators.new_key("security-lead-2")
    command = operators.ask("emergency", "--new-security-lead", new, "--rotate-dek", "--revoke-all", by="risk-lead-2")
    operators.ask("custodian", "approve", command["id"], "--wait", "0", by="security-lead-2")
    shape = operators.ask("custodian", "approve", command["id"], by="recovery")
    assert shape["state"] == "executed"
    after = operators.see().manifest
    assert states(after)[before.active.version.text] is DekState.REVOKED
    assert after.active.version.n == before.active.version.n + 1
    current = {entry.role for entry in after.custodians if entry.state is KeyState.CURRENT}
    assert current == set(Role)
    assert operators.ask("rotate", by="security-lead-2")["state"] == "executed"

"""What operators' commands show, sign and publish, before any agent answers; on a real broker."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.control import ApprovalState, CustodianSigner
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.wire import b64decode
from tests.support.command_line import CommandLine
from tests.support.control_topic import read_all
from tests.support.operators import Operators, Place

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a deployment without an agent, once."""
    folder = tmp_path_factory.mktemp("publication")
    return Place.make(kafka, folder, f"publication-{os.getpid()}-{time.time_ns()}")


@pytest.fixture
def operators(place: Place, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Operators:
    """Let commands be typed there."""
    return Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)


def records(kafka: str) -> list[tuple[str, bytes | None]]:
    """Return the records about commands."""
    found = asyncio.run(read_all(kafka, os.environ["AEGIS_TOPIC_CONTROL"]))
    return [(key, value) for key, value in found if not key.startswith(("manifest", "dek/"))]


def test_dry_run_shows_and_publishes_nothing(kafka: str, operators: Operators) -> None:
    """It needs no key and asks nobody."""
    active, before = operators.see().manifest.active.version.text, records(kafka)
    ended = operators.aegis("rotate", "--dry-run")
    assert ended.code == 0
    assert f"DEK {active}: active -> decrypt-only" in ended.out.decode()
    shape = orjson.loads(operators.aegis("rotate", "--dry-run", "--json").out)
    assert shape["kind"] == "rotate-dek"
    assert shape["changes"][0] == f"DEK {active}: active -> decrypt-only"
    assert records(kafka) == before


def test_nobody_signs_without_being_asked(kafka: str, operators: Operators) -> None:
    """A script says --yes; a pipe in which the key comes is no answer."""
    before = records(kafka)
    ended = operators.aegis("rotate", "--key", "-", stdin=operators.key("risk-lead").read_bytes())
    assert ended.code == 2
    assert "--yes" in ended.err
    assert "active -> decrypt-only" in ended.err
    assert records(kafka) == before


def test_command_is_signed_and_waits_for_an_agent(kafka: str, operators: Operators) -> None:
    """Published at once; that nobody has answered in time is another exit code than a refusal."""
    ended = operators.aegis(
        "rotate", "--key", operators.key("risk-lead"), "--yes", "--json", "--wait", "0.2", "--reason", "a test"
    )
    assert ended.code == 3
    assert "has not answered" in ended.err
    shape = orjson.loads(ended.out)
    assert (shape["state"], shape["signed_by"], shape["command"]["reason"]) == ("APPROVED", ["risk-lead"], "a test")
    key, value = records(kafka)[-1]
    assert key == f"command/{shape['id']}"
    assert value is not None
    assert orjson.loads(Envelope.parse(value, Kind.COMMAND).payload)["kind"] == "rotate-dek"


def test_second_custodian_sees_and_signs_the_same_bytes(kafka: str, operators: Operators) -> None:
    """PARTIAL after one, APPROVED after both; the log names who has signed and who is missing."""
    (operators.folder / "policy.json").write_text('{"id": "wide", "names": ["iban"]}')
    first = operators.ask("policy", "set", operators.folder / "policy.json", by="security-lead")
    listed = orjson.loads(operators.aegis("control", "log", "--json").out)["commands"][-1]
    assert (listed["state"], listed["signed_by"], listed["missing"]) == ("PARTIAL", ["security-lead"], ["risk-lead"])
    shown = operators.aegis("control", "approve", first["id"], "--dry-run")
    assert "policy wide: new" in shown.out.decode()
    ended = operators.aegis("control", "approve", first["id"], "--key", operators.key("security-lead"), "--yes")
    assert (ended.code, "has signed it already" in ended.err) == (1, True)
    ended = operators.aegis(
        "control", "approve", first["id"], "--key", operators.key("risk-lead"), "--yes", "--json", "--wait", "0.1"
    )
    assert ended.code == 3
    assert orjson.loads(ended.out)["state"] == "APPROVED"
    log = operators.aegis("control", "log").out.decode()
    assert "APPROVED" in log
    assert "risk-lead, security-lead" in log
    assert f"approval/{first['id']}/risk-lead" in dict(records(kafka))


def test_approval_that_would_not_count_is_not_published(kafka: str, operators: Operators) -> None:
    """The recovery key is none of the two; a stranger's neither."""
    operators.new_key("stranger")
    version = operators.see().manifest.active.version.text
    command = operators.ask("enricher", "enrol", enricher_key(operators), by="risk-lead")
    before = records(kafka)
    for name in ("stranger", "recovery"):
        ended = operators.aegis("control", "approve", command["id"], "--key", operators.key(name), "--yes")
        assert (ended.code, ended.out) == (1, b"")
    ended = operators.aegis("rotate", "--key", operators.key("stranger"), "--yes")
    assert (ended.code, "no current custodian has signed it" in ended.err) == (1, True)
    assert operators.aegis("control", "approve", "0190a6a0-0000-7000-8000-000000000000", "--yes").code == 1
    for refused in ("revoke", "destroy"):
        ended = operators.aegis(refused, version, "--key", operators.key("risk-lead"), "--yes")
        assert (ended.code, "the active DEK cannot be" in ended.err) == (1, True)
    assert records(kafka) == before


def enricher_key(operators: Operators) -> Path:
    """Make an enricher's keypair; returns the public file."""
    name = f"west-{time.time_ns()}"
    assert operators.aegis("enricher", "new", "--out", operators.folder / f"{name}.key").code == 0
    return operators.folder / f"{name}.pub"


def test_text_of_a_command_cannot_play_tricks_on_a_terminal(operators: Operators) -> None:
    """Who is asked to sign reads what somebody else wrote; it must not turn round or hide what stands beside it."""
    reason = "not\u202ea\u009b31mtest"
    command = operators.ask("enricher", "enrol", enricher_key(operators), "--reason", reason, by="risk-lead")
    shown = operators.aegis("control", "show", command["id"]).out.decode()
    shown += operators.aegis("control", "approve", command["id"], "--dry-run").out.decode()
    assert shown.count("not\\u202ea\\u009b31mtest") == 2
    assert all(line.isprintable() for line in shown.splitlines())


def test_rejection_is_signed_and_shown(operators: Operators) -> None:
    """And the command can no longer be approved."""
    command = operators.ask("enricher", "enrol", enricher_key(operators), by="risk-lead")
    ended = operators.aegis(
        *("control", "reject", command["id"], "--key", operators.key("security-lead")),
        *("--yes", "--json", "--wait", "0.1", "--reason", "not asked for"),
    )
    assert ended.code == 3
    shape = orjson.loads(ended.out)
    assert (shape["state"], shape["rejected_by"]) == ("REJECTED", ["security-lead"])
    ended = operators.aegis("control", "approve", command["id"], "--key", operators.key("security-lead"), "--yes")
    assert (ended.code, "a custodian has rejected it" in ended.err) == (1, True)


def test_replacement_tells_who_must_sign(operators: Operators) -> None:
    """The one who stays, the new key, and the old or the recovery key to skip the wait."""
    new = operators.new_key("risk-lead-2")
    command = operators.ask("custodian", "replace", "risk-lead", new, by="security-lead")
    assert command["missing"] == ["new-risk-lead"]
    for name, slots in (
        ("risk-lead-2", ["new-risk-lead", "security-lead"]),
        ("recovery", ["new-risk-lead", "recovery", "security-lead"]),
    ):
        ended = operators.aegis(
            *("custodian", "approve", command["id"], "--key", operators.key(name), "--yes", "--json", "--wait", "0.1")
        )
        shape = orjson.loads(ended.out)
        assert (shape["state"], shape["signed_by"]) == ("APPROVED", slots)


def test_emergency_is_one_command(operators: Operators) -> None:
    """It names the audit that must follow, and asks for everything at once."""
    new = operators.new_key("security-lead-2")
    ended = operators.aegis(
        *("emergency", "--new-security-lead", new, "--rotate-dek", "--revoke-all"),
        *("--key", operators.key("risk-lead"), "--yes", "--json"),
    )
    assert ended.code == 0
    old = CustodianSigner(b64decode(operators.key("security-lead").read_text().strip())).key_id
    assert f"aegis audit overrides --key {old}" in ended.err
    shape = orjson.loads(ended.out)
    standing, changes = operators.see().standings[shape["id"]], shape["changes"]
    assert standing.judgement.state is ApprovalState.PARTIAL
    assert any(change.endswith("current -> revoked") for change in changes)
    assert any(change.endswith("active -> revoked") for change in changes)


@pytest.mark.parametrize(
    "arguments",
    [
        ["emergency"],
        ["emergency", "--revoke-all"],
        ["revoke"],
        ["revoke", "dek-v1-20260101", "--below", "dek-v1-20260101"],
        ["enricher", "retire", "west"],
        ["custodian", "replace", "janitor", "x.pub"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(operators: Operators, arguments: list[str]) -> None:
    """Nothing is connected for it."""
    assert operators.aegis(*arguments).code == 2

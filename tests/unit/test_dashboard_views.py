"""What the dashboard makes of signed records, without a broker."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aegis_stream.control.approval import judge
from aegis_stream.control.arguments import RevokeDek, RotateDek, RotateKek
from aegis_stream.control.cases import Case
from aegis_stream.control.history import who_signed
from aegis_stream.control.result import Outcome, Result
from aegis_stream.control.signing import sign_command
from aegis_stream.control.standing import Standing
from aegis_stream.dashboard.attention import attention_section, versions_apart
from aegis_stream.dashboard.board import Board
from aegis_stream.dashboard.command_view import MOST_UNSIGNED, commands_section
from aegis_stream.dashboard.keyring_view import custodians_section, keyring_section, manifest_section
from aegis_stream.dashboard.metrics import metrics_text
from aegis_stream.dashboard.trail import Seen, trail_section
from aegis_stream.encryption import RotationSchedule
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.plain_text import plain, plain_value
from aegis_stream.wire import b64encode
from tests.support.control_examples import EXAMPLES
from tests.support.control_world import AGENT, NOW, RISK, SECURITY, World, custodian, kek

if TYPE_CHECKING:
    from aegis_stream.control.command import Arguments, Command
    from aegis_stream.control.signing import CustodianSigner

BIDI = "\u202egpj.exe"


def standing(
    world: World, command: Command, first: CustodianSigner, *, both: bool = False, result: Result | None = None
) -> Standing:
    """Let somebody sign a command, and the Security Lead approve it."""
    case = world.case(command, first, **({"security_lead": SECURITY} if both else {}))
    judgement = judge(case, manifest=world.manifest, now=world.now)
    return Standing(case, judgement, result, who_signed(case, judgement.command, world.manifest))


def section(world: World, *standings: Standing) -> dict[str, object]:
    """Return the section of commands."""
    return commands_section(standings, manifest=world.manifest, records=world.records, terms=world.terms, now=world.now)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>bold</b>", "<b>bold</b>"),  # the page puts it in as text
        (BIDI, "\\u202egpj.exe"),
        ("a\nb\x00\x1b[31m", "a\\u000ab\\u0000\\u001b[31m"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("x" * 2_000, "xxxxxxxxxxxxx… (2,000 characters)"),
    ],
)
def test_what_would_deceive_the_eye_is_spelled_out(text: str, shown: str) -> None:
    """A reason for a command is read by people who decide by it."""
    assert plain(text, longest=13) == shown
    assert plain_value({text: [text, 1, None]}, longest=13) == {shown: [shown, 1, None]}


def test_command_shows_who_signed_who_is_missing_and_what_would_change() -> None:
    """That is what the other custodian needs before he signs."""
    world = World.new(rotations=1)
    command = world.command(RevokeDek(world.version(1)), reason=f"laptop <img src=x> {BIDI}")
    (shown,) = section(world, standing(world, command, RISK))["waiting"]
    assert (shown["state"], shown["kind"], shown["signed_by"], shown["missing"]) == (
        "PARTIAL",
        "revoke-dek",
        ["risk-lead"],
        ["security-lead"],
    )
    assert shown["changes"] == [f"DEK {world.version(1)}: decrypt-only -> revoked"]
    assert shown["command"]["reason"] == "laptop <img src=x> \\u202egpj.exe"
    assert shown["command"]["arguments"] == [["version", world.version(1).text]]


def test_a_command_that_would_be_refused_says_so() -> None:
    """Nobody should sign it."""
    world = World.new()
    (shown,) = section(world, standing(world, world.command(RevokeDek(world.version(1))), RISK))["waiting"]
    assert shown["changes"] == []
    assert "active" in shown["would_be_refused"]


def test_long_arguments_are_cut() -> None:
    """A KEK's public key fills a screen, and says nothing."""
    world = World.new()
    command = world.command(RotateKek(kek(2), ((world.version(1), "ab" * 32),)))
    (shown,) = section(world, standing(world, command, RISK))["waiting"]
    texts = orjson.dumps(shown)
    assert b64encode(kek(2)).encode() not in texts
    assert b"characters)" in texts


def test_commands_that_nobody_known_has_signed_cannot_push_others_out() -> None:
    """Whoever may write to the topic can write thousands."""
    world = World.new()
    wanted = standing(world, world.command(RotateDek()), RISK, both=True)
    flood = [standing(world, world.command(RotateDek()), custodian("stranger")) for _ in range(MOST_UNSIGNED + 5)]
    shown = section(world, *flood, wanted)
    assert (shown["signed"], shown["unsigned"]) == (1, MOST_UNSIGNED + 5)
    assert len(shown["waiting"]) == 1 + MOST_UNSIGNED  # type: ignore[arg-type]
    assert [each["state"] for each in shown["waiting"]][:2] == ["APPROVED", "PENDING"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("arguments", EXAMPLES, ids=lambda arguments: arguments.kind.value)
@pytest.mark.parametrize("signer", [RISK, custodian("stranger")], ids=["signed", "unsigned"])
def test_every_kind_of_command_says_what_it_would_do_or_why_it_would_not(
    arguments: Arguments, signer: CustodianSigner
) -> None:
    """One that the page could not show would hide all others, and anybody may write one."""
    world = World.new(rotations=1, recovery=True)
    (shown,) = section(world, standing(world, world.command(arguments), signer))["waiting"]
    assert shown["kind"] == arguments.kind.value
    assert bool(shown["changes"]) != bool(shown.get("would_be_refused"))
    assert [name for name, _ in shown["command"]["arguments"]] == list(arguments.to_json())


def test_a_command_that_cannot_be_read_is_no_command_that_waits() -> None:
    """It is shown with the answered ones, without arguments."""
    world = World.new()
    command = replace(world.command(RotateDek()), deployment="no\nname")
    case = Case(command.id, sign_command(command, RISK))
    found = Standing(case, judge(case, manifest=world.manifest, now=world.now), None, ())
    shown = section(world, found)
    assert shown["waiting"] == []
    (answered,) = shown["answered"]
    assert (answered["state"], answered["command"]) == ("REFUSED", None)


def test_trail_tells_commands_answers_and_keys_the_last_first() -> None:
    """It is made from signed records, so a restart loses none of it; what was only seen is marked."""
    world = World.new()
    command = world.command(RotateDek(), reason="quarterly")
    done = Result(
        id=command.id,
        deployment="tests",
        outcome=Outcome.EXECUTED,
        sequence=2,
        decided_at=NOW + dt.timedelta(seconds=1),
        kind=command.kind,
    )
    seen = Seen()
    seen.note("enricher http://a:1 is away", at=NOW + dt.timedelta(hours=1))
    trail = trail_section([standing(world, command, RISK, result=done)], world.manifest, seen)
    assert [each["what"] for each in trail[:3]] == [
        "enricher http://a:1 is away",
        "rotate-dek executed",
        "rotate-dek asked for",
    ]
    assert [each["source"] for each in trail[:2]] == ["seen", "signed"]
    assert trail[2]["who"] == f"risk-lead {RISK.key_id}"
    assert {"DEK dek-v1-20260301 made", f"risk-lead {RISK.key_id} in force"} <= {each["what"] for each in trail}


def keyring(world: World) -> Keyring:
    """Return a keyring that knows nothing; the sections take the manifest apart."""
    return Keyring(deployment=world.manifest.deployment, agent_keys=[AGENT.public])


def test_keyring_shows_states_and_ages_and_no_public_key() -> None:
    """And neither does any other section of the manifest."""
    world = World.new(rotations=1, recovery=True)
    shown = keyring_section(keyring(world), world.manifest, now=NOW)
    assert [dek["state"] for dek in shown["deks"]] == ["active", "decrypt-only"]
    assert shown["deks"][0]["created_at"] == "2026-03-01T12:00:00Z"
    custodians = custodians_section(world.manifest)
    assert [(each["role"], each["state"]) for each in custodians["keys"]] == [
        ("security-lead", "current"),
        ("risk-lead", "current"),
    ]
    top = manifest_section(keyring(world), world.manifest, schedule=RotationSchedule(), now=NOW)
    text = orjson.dumps([shown, custodians, top])
    assert b"public_key" not in text
    assert b64encode(RISK.public).encode() not in text


@pytest.mark.parametrize(("days", "overdue"), [(30, False), (31, True)])
def test_a_rotation_that_is_overdue_shows(days: int, overdue: bool) -> None:  # noqa: FBT001 - a case
    """On the page, in what needs attention, and for the alert."""
    world = World.new()
    now = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) + dt.timedelta(days=days)
    top = manifest_section(keyring(world), world.manifest, schedule=RotationSchedule.parse("monthly"), now=now)
    assert (top["rotation_due"], top["rotation_overdue"]) == ("2026-04-01T00:00:00Z", overdue)
    said = [each["what"] for each in attention_section({"manifest": {**top, "freshness": "fresh"}})]
    assert said == (["dek-v1-20260301 should have been rotated."] if overdue else [])


def test_attention_names_what_is_worst_first() -> None:
    """People read the first line."""
    enricher = {"address": "http://a:1", "up": True, "ready": True, "problem": "", "version": "dek-v1-20260301"}
    away = {**enricher, "address": "http://b:1", "up": False, "problem": "nobody answers"}
    manifest = {"freshness": "grace", "rotation_overdue": True, "active_version": "dek-v1-20260301"}
    sections = {
        "control": {"state": "away", "problem": "no answer", "remedy": "look at the broker"},
        "manifest": manifest,
        "enrichers": [{**enricher, "ready": False}, away],
        "dead_letters": {"problem": "no such topic", "remedy": "make it"},
        "keyring": {"deks": [{"version": "dek-v1-20260301", "record": "missing", "state": "active"}]},
        "refused": {"records": {"signature": 3}},
    }
    found = attention_section(sections)
    assert [each["level"] for each in found] == ["bad"] * 4 + ["warn"] * 4
    assert all(each["do"] for each in found)
    assert attention_section({"manifest": {**manifest, "freshness": "fresh", "rotation_overdue": False}}) == []


def test_enrichers_under_two_versions_are_apart() -> None:
    """And so is one that writes under another version than the manifest says."""
    one = {"address": "a", "up": True, "ready": True, "problem": "", "version": "dek-v1-20260301"}
    two = {**one, "version": "dek-v2-20260401"}
    manifest = {"freshness": "fresh", "rotation_overdue": False, "active_version": "dek-v1-20260301"}
    assert not versions_apart({"manifest": manifest, "enrichers": [one, {**two, "up": False}]})
    for enrichers in ([one, two], [two, two]):
        sections = {"manifest": manifest, "enrichers": enrichers}
        assert versions_apart(sections)
        assert attention_section(sections) == []  # until it has lasted for a while
        (said,) = attention_section({**sections, "apart": True})
        assert "dek-v2-20260401" in said["what"]


def test_metrics_say_what_no_enricher_can() -> None:
    """And leave out what is not known."""
    board = Board()
    assert b"aegis_control_following 0.0" in metrics_text(board)
    assert b"aegis_keyring" not in metrics_text(board)
    world = World.new()
    schedule = RotationSchedule.parse("monthly")
    board.put("control", {"state": "following", "problem": "", "remedy": ""})
    board.put("manifest", manifest_section(keyring(world), world.manifest, schedule=schedule, now=NOW))
    board.put("dek_states", {"active": 1})
    board.put("command_states", {"partial": 2})
    board.put("refused", {"records": {"signature": 3}, "commands": {"replay": 4}})
    board.put("dead_letters", {"rows": [{"reason": "not-json", "total": 5}], "problem": ""})
    text = metrics_text(board, now=dt.datetime(2026, 4, 1, 1, tzinfo=dt.UTC)).decode()
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["aegis_keyring_rotation_overdue_seconds",] == 3_600
    assert found["aegis_keyring_manifest_sequence",] == 1
    assert found["aegis_keyring_deks", "active"] == 1
    assert found["aegis_control_commands", "partial"] == 2
    assert found["aegis_control_refused_records", "signature"] == 3
    assert found["aegis_control_refused_commands", "replay"] == 4
    assert found["aegis_dead_letter_records", "not-json"] == 5

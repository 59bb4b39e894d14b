"""`aegis classify`: what would be encrypted, and what would stay in the clear and should not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from aegis_stream.generator import generate_events
from aegis_stream.pii import PII_FIELDS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import CommandLine

CLEAR = (
    b'{"actorId":"x","contact":{"mail":"canary@b.org"},"accounts":["DE89 3704 0044 0532 0130 00","none"],'
    b'"approvals":[{"signer_id":"a"},{"signer_id":"b"}]}\n'
)


def test_every_place_is_counted_once_and_values_are_not_shown(aegis: CommandLine) -> None:
    """Indexes of arrays are one place; the spelling in the event does not matter."""
    ended = aegis("classify", "--json", stdin=CLEAR * 2)
    report = orjson.loads(ended.out)

    assert ended.code == 0
    assert (report["events"], report["policy"]) == (2, "default")
    assert report["encrypted"] == [
        {"field": "actor_id", "priority": "high", "path": "/actorId", "count": 2},
        {"field": "signer_id", "priority": "medium", "path": "/approvals/*/signer_id", "count": 4},
    ]
    assert report["clear_but_personal"] == [
        {"path": "/accounts/*", "looks_like": "IBAN", "count": 2},
        {"path": "/contact/mail", "looks_like": "e-mail address", "count": 2},
    ]
    assert b"canary" not in ended.out


def test_all_twelve_fields_are_found_with_their_priorities(aegis: CommandLine) -> None:
    """The generator's full events hold each of them."""
    events = b"".join(orjson.dumps(event) + b"\n" for event in generate_events(count=3, all_fields=True))
    report = orjson.loads(aegis("classify", "--json", stdin=events).out)

    assert {entry["field"]: entry["priority"] for entry in report["encrypted"]} == dict(PII_FIELDS)


def test_a_policy_takes_the_warning_away(aegis: CommandLine, tmp_path: Path) -> None:
    """That is how a policy is written: classify, add, classify again."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"id":"mine","names":["mail"],"pointers":["/accounts/*"],"exclude":[]}')
    assert aegis("classify", "--check", stdin=CLEAR).code == 1

    ended = aegis("classify", "--check", "--json", "--policy", policy, stdin=CLEAR)
    report = orjson.loads(ended.out)
    assert (ended.code, report["clear_but_personal"]) == (0, [])
    assert ("mail", "custom") in {(entry["field"], entry["priority"]) for entry in report["encrypted"]}


def test_a_policy_that_leaves_one_of_the_twelve_clear_warns(aegis: CommandLine, tmp_path: Path) -> None:
    """Excluding one is allowed and must never go unnoticed."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"id":"mine","names":[],"pointers":[],"exclude":["signer_id"]}')
    ended = aegis("classify", "--json", "--policy", policy, stdin=CLEAR)

    assert "signer_id" in ended.err
    assert len(orjson.loads(ended.out)["policy_warnings"]) == 1


def test_events_that_a_writer_would_refuse_are_named(aegis: CommandLine) -> None:
    """Better here than as dead letters."""
    ended = aegis("classify", stdin=b'{"a":1}\n[1]\n{"n":1e999}\n{"_aegis":0}\n')

    assert ended.code == 1
    assert ended.err.splitlines() == [
        "aegis: error: line 2 would be refused: not-json",
        "aegis: error: line 3 would be refused: number",
        "aegis: error: line 4 would be refused: has-aegis",
    ]


def test_tables_are_for_people(aegis: CommandLine) -> None:
    """Both tables, and the hint how to go on."""
    ended = aegis("classify", stdin=CLEAR)
    text = ended.out.decode()

    for part in ("would be encrypted", "/approvals/*/signer_id", "stays in the clear", "e-mail address"):
        assert part in text
    assert "aegis: hint: a policy can name them" in ended.err
    assert b"nothing would be encrypted" in aegis("classify", stdin=b'{"a":1}').out

"""Commands: every kind is read strictly and comes back as it was written."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from aegis_stream.control.arguments import EnrolEnricher, RotateDek
from aegis_stream.control.command import ARGUMENTS, Arguments, Command, new_command_id
from aegis_stream.control.custody_arguments import EmergencyRotate
from aegis_stream.control.kinds import CommandKind, Signing
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.entries import COMMAND_ID
from aegis_stream.wire import b64encode
from tests.support.control_examples import EXAMPLES, V1
from tests.support.control_world import NOW, enricher
from tests.support.control_world import RECOVERY as KEY
from tests.support.control_world import SECURITY as OTHER


def shape(arguments: Arguments | None = None) -> dict[str, object]:
    """Return a command as JSON."""
    command = Command.new(arguments or RotateDek(), deployment="d", reason="why", now=NOW)
    loaded = json.loads(command.to_payload())
    assert isinstance(loaded, dict)
    return loaded


def refused(changed: dict[str, object]) -> CommandReason:
    """Return why the JSON is refused."""
    with pytest.raises(CommandRefusedError) as caught:
        Command.from_payload(json.dumps(changed).encode())
    assert caught.value.__context__ is None
    return caught.value.command_reason


def test_there_is_an_example_and_a_reader_of_every_kind() -> None:
    """A kind that nothing can read would be a kind that nobody can use."""
    assert {example.kind for example in EXAMPLES} == set(CommandKind) == set(ARGUMENTS)


@pytest.mark.parametrize("arguments", EXAMPLES, ids=lambda value: value.kind.value)
def test_command_comes_back_as_it_was_written(arguments: Arguments) -> None:
    """The agent carries out what was signed and nothing else."""
    command = Command.new(arguments, deployment="prod.eu", reason="quarterly", now=NOW)
    assert Command.from_payload(command.to_payload()) == command
    assert command.kind is arguments.kind
    assert command.expires_at - command.issued_at == dt.timedelta(hours=24)


@pytest.mark.parametrize("arguments", EXAMPLES, ids=lambda value: value.kind.value)
def test_unknown_and_missing_arguments_are_refused(arguments: Arguments) -> None:
    """A misspelt member must not be dropped silently from what custodians agreed to."""
    whole = shape(arguments)
    inner = whole["arguments"]
    assert isinstance(inner, dict)
    assert refused({**whole, "arguments": {**inner, "extra": 1}}) is CommandReason.PAYLOAD
    for name in inner:
        left = {key: value for key, value in inner.items() if key != name}
        assert refused({**whole, "arguments": left}) is CommandReason.PAYLOAD
        assert refused({**whole, "arguments": {**inner, name: None}}) is CommandReason.PAYLOAD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2),
        ("v", True),
        ("id", "0190a6a0-0000-4000-8000-000000000000"),
        ("id", "not an id"),
        ("deployment", ""),
        ("deployment", "a/b"),
        ("kind", "rotate"),
        ("arguments", []),
        ("reason", ""),
        ("reason", "two\nlines"),
        ("reason", "x" * 501),
        ("issued_at", "2026-03-01"),
        ("expires_at", 5),
        ("expires_at", "2026-03-01T12:00:00.5Z"),
        ("extra", 1),
    ],
)
def test_members_of_another_form_are_refused(name: str, value: object) -> None:
    """Every member has one form."""
    assert refused({**shape(), name: value}) is CommandReason.PAYLOAD


@pytest.mark.parametrize("name", ["v", "id", "deployment", "kind", "arguments", "reason", "issued_at", "expires_at"])
def test_every_member_is_needed(name: str) -> None:
    """None has a default."""
    assert refused({key: value for key, value in shape().items() if key != name}) is CommandReason.PAYLOAD


@pytest.mark.parametrize("life", [dt.timedelta(0), dt.timedelta(seconds=-1), dt.timedelta(hours=24, seconds=1)])
def test_command_lives_at_most_24_hours(life: dt.timedelta) -> None:
    """A signature must not lie about for later."""
    with pytest.raises(CommandRefusedError) as caught:
        Command.new(RotateDek(), deployment="d", reason="why", now=NOW, life=life)
    assert caught.value.command_reason is CommandReason.LIFETIME


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b'{"v":1,"v":1}', b'{"v":1.0}', b"[" * 100_000])
def test_payload_that_is_no_strict_json_object_is_refused(raw: bytes) -> None:
    """It comes from a topic that anybody may write to."""
    with pytest.raises(CommandRefusedError) as caught:
        Command.from_payload(raw)
    assert caught.value.command_reason is CommandReason.PAYLOAD


def test_what_could_not_be_read_is_not_written() -> None:
    """Half of a surrogate pair has no UTF-8; the operator hears of it before anybody signs."""
    with pytest.raises(CommandRefusedError) as caught:
        Command.new(RotateDek(), deployment="d", reason="\ud800", now=NOW)
    assert caught.value.command_reason is CommandReason.PAYLOAD


def test_id_is_a_uuid7_of_its_moment() -> None:
    """Ids sort by time, so a log of commands reads in order."""
    ids = [new_command_id(NOW + dt.timedelta(milliseconds=step)) for step in range(3)]
    assert ids == sorted(ids)
    assert all(COMMAND_ID.fullmatch(value) for value in ids)
    assert int(ids[0].replace("-", "")[:12], 16) == int(NOW.timestamp() * 1000)
    assert new_command_id(NOW) != new_command_id(NOW)


@pytest.mark.parametrize(
    "arguments",
    [
        {"public_key": b64encode(b"\x01" + bytes(31))},  # Ed25519: the neutral point
        {"public_key": b64encode(bytes(31))},
    ],
)
def test_enricher_key_that_signs_for_everybody_is_refused(arguments: dict[str, object]) -> None:
    """Two custodians' agreement does not make a point of small order a key."""
    whole = {**shape(EnrolEnricher(enricher(1))), "arguments": arguments}
    assert refused(whole) is CommandReason.PAYLOAD


@pytest.mark.parametrize("key", [b"\xff" * 32, bytes(32), bytes(31)])
@pytest.mark.parametrize("kind", [CommandKind.REPLACE_CUSTODIAN, CommandKind.SET_RECOVERY_KEY])
def test_custodian_key_must_be_a_point(kind: CommandKind, key: bytes) -> None:
    """Otherwise a role would be locked out by its own replacement."""
    arguments: dict[str, object] = {"public_key": b64encode(key)}
    if kind is CommandKind.REPLACE_CUSTODIAN:
        arguments["role"] = "risk-lead"
    assert refused({**shape(), "kind": kind.value, "arguments": arguments}) is CommandReason.PAYLOAD


def test_emergency_asks_for_something_and_for_nothing_twice() -> None:
    """Two keys for one role in one command have no meaning."""
    one = {"role": "risk-lead", "public_key": b64encode(KEY.public)}
    other = {"role": "risk-lead", "public_key": b64encode(OTHER.public)}
    same = {"role": "security-lead", "public_key": b64encode(KEY.public)}
    version = {"version": V1.text}
    whole = shape(EXAMPLES[-1])
    for replace, revoke in (([], []), ([one, other], []), ([one, same], []), ([], [version, version])):
        arguments = {"replace": replace, "rotate_dek": False, "revoke": revoke}
        assert refused({**whole, "arguments": arguments}) is CommandReason.PAYLOAD


def test_signing_rule_of_each_kind_is_the_documented_one() -> None:
    """The table of control-topic.md; a weaker rule here would be a hole."""
    one = {CommandKind.ROTATE_DEK, CommandKind.RETIRE_ENRICHER}
    replacement = {CommandKind.REPLACE_CUSTODIAN, CommandKind.EMERGENCY_ROTATE}
    for example in EXAMPLES:
        expected = Signing.BOTH
        if example.kind in one:
            expected = Signing.ONE
        elif example.kind in replacement:
            expected = Signing.REPLACEMENT
        assert example.signing is expected
    assert EmergencyRotate((), rotate_dek=True, revoke=()).signing is Signing.BOTH


def test_refusals_quote_nothing_of_the_record() -> None:
    """Whoever writes to the topic must not be able to write into our logs."""
    with pytest.raises(CommandRefusedError) as caught:
        Command.from_payload(json.dumps({**shape(), "kind": "canary-4711"}).encode())
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "policy",
    [
        {"id": "", "names": [], "pointers": [], "exclude": []},
        {"id": "p", "names": [], "pointers": ["no slash"], "exclude": []},
        {"id": "p", "names": [1], "pointers": [], "exclude": []},
        {"id": "p", "names": [], "pointers": []},
        {"id": "p", "names": [], "pointers": [], "exclude": [], "more": []},
    ],
)
def test_policy_of_a_command_is_whole_and_well_formed(policy: dict[str, object]) -> None:
    """What custodians sign says everything, also what is empty."""
    whole = {**shape(), "kind": "set-policy", "arguments": {"policy": policy}}
    assert refused(whole) is CommandReason.PAYLOAD


def test_version_stands_once_among_the_rewraps() -> None:
    """Two wraps of one DEK under one KEK have no meaning."""
    whole = shape(next(example for example in EXAMPLES if example.kind is CommandKind.ROTATE_KEK))
    inner = whole["arguments"]
    assert isinstance(inner, dict)
    twice = {**inner, "rewraps": [inner["rewraps"][0]] * 2}
    assert refused({**whole, "arguments": twice}) is CommandReason.PAYLOAD

"""The JSON Schemas say what the readers take."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from aegis_stream.control.command import Command
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.rejection import Rejection
from aegis_stream.control.result import Outcome, Result
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.topic_keys import Slot
from aegis_stream.custodian import OverrideRequest
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.entries import Role
from aegis_stream.wrapping import WRAPPED_BYTES
from tests.support.control_examples import EXAMPLES, ID, RESULTS, V1
from tests.support.control_world import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.control.command import Arguments

FOLDER = Path(__file__).parents[2] / "schemas"
NAMES = ("command", "approval", "rejection", "rewrap", "result", "override-event")
SCHEMAS: dict[str, dict[str, Any]] = {
    name: json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8")) for name in NAMES
}
REGISTRY: Registry[Any] = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
)


def valid(name: str, value: object) -> bool:
    """Tell whether a schema takes a value."""
    return Draft202012Validator(SCHEMAS[name], registry=REGISTRY).is_valid(value)


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_a_schema_under_its_own_name(name: str) -> None:
    """Users load them by their ids."""
    Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["$id"] == f"urn:aegis-stream:schema:{name}:1"


@pytest.mark.parametrize("arguments", EXAMPLES, ids=lambda value: value.kind.value)
def test_command_schema_takes_every_kind_and_nothing_more(arguments: Arguments) -> None:
    """An operator with a plain Kafka client writes by the schema and must not be surprised."""
    shape = json.loads(Command.new(arguments, deployment="d", reason="why", now=NOW).to_payload())
    for name in ("command", "approval"):
        assert valid(name, shape)
        assert not valid(name, {**shape, "extra": 1})
        assert not valid(name, {**shape, "arguments": {**shape["arguments"], "extra": 1}})
    for member in shape["arguments"]:
        left = {key: value for key, value in shape["arguments"].items() if key != member}
        assert not valid("command", {**shape, "arguments": left})
    for member in shape:
        assert not valid("command", {key: value for key, value in shape.items() if key != member})
        changed = {**shape, member: None}
        assert not valid("command", changed)
        with pytest.raises(CommandRefusedError):
            Command.from_payload(json.dumps(changed).encode())


def test_other_records_fit_their_schemas() -> None:
    """And refuse members that nobody knows."""
    rejection = Rejection(ID, "d", Role.RISK_LEAD, "ab" * 32, "not now", NOW).to_payload()
    rewrap = Rewrap(ID, V1, "kek-0123456789abcdef", bytes(WRAPPED_BYTES)).to_payload()
    for name, payload in (("rejection", rejection), ("rewrap", rewrap)):
        shape = json.loads(payload)
        assert valid(name, shape)
        assert not valid(name, {**shape, "extra": 1})
        assert set(SCHEMAS[name]["required"]) == set(shape)


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.outcome.value)
def test_result_fits_its_schema(result: Result) -> None:
    """With the members that go with its outcome."""
    shape = json.loads(result.to_payload())
    assert valid("result", shape)
    assert not valid("result", {**shape, "extra": 1})
    other = Outcome.EXECUTED if result.outcome is not Outcome.EXECUTED else Outcome.REFUSED
    assert not valid("result", {**shape, "outcome": other.value})


@pytest.mark.parametrize("name", ["command", "rejection", "result", "override-event"])
def test_examples_of_a_schema_are_what_it_says_and_what_the_reader_takes(name: str) -> None:
    """They are the first thing that somebody copies."""
    readers: dict[str, Callable[[bytes], object]] = {
        "command": Command.from_payload,
        "rejection": Rejection.from_payload,
        "result": Result.from_payload,
        "override-event": lambda raw: OverrideRequest.from_event(json.loads(raw)),
    }
    for example in SCHEMAS[name]["examples"]:
        assert valid(name, example)
        assert readers[name](json.dumps(example).encode())


def test_closed_lists_are_the_same_in_schema_and_code() -> None:
    """A reason that the schema does not know would break those who read by it."""
    assert SCHEMAS["command"]["properties"]["kind"]["enum"] == [kind.value for kind in CommandKind]
    assert set(SCHEMAS["result"]["properties"]["reason"]["enum"]) == {reason.value for reason in CommandReason}
    assert set(SCHEMAS["result"]["properties"]["kind"]["enum"]) == {kind.value for kind in CommandKind}
    assert set(SCHEMAS["result"]["properties"]["outcome"]["enum"]) == {outcome.value for outcome in Outcome}
    assert set(SCHEMAS["rejection"]["properties"]["role"]["enum"]) == {role.value for role in Role}
    assert all(slot.value in SCHEMAS["approval"]["description"] for slot in Slot)


def test_override_event_schema_takes_each_stage_of_a_request() -> None:
    """Asked for, signed by one, signed by both; other members are the application's own."""
    request = {
        "override_id": "o",
        "requested_by": "r",
        "requested_at": "2026-03-01T12:00:00Z",
        "expires_at": "2026-03-02T12:00:00Z",
        "override_justification": "j",
        "amount": 5,
    }
    signature = base64.b64encode(bytes(64)).decode()
    one = {**request, "risk_lead_signature": signature, "signer_id": "0123456789abcdef"}
    both = {**one, "security_lead_signature": signature}
    assert valid("override-event", request)
    assert valid("override-event", one)
    assert valid("override-event", {**one, "security_lead_signature": None})
    assert not valid("override-event", both)
    assert valid("override-event", {**both, "combined_hash": "ab" * 32})
    assert not valid("override-event", {**request, "risk_lead_signature": "short"})
    for member in ("override_id", "requested_by", "requested_at", "expires_at", "override_justification"):
        assert not valid("override-event", {key: value for key, value in request.items() if key != member})

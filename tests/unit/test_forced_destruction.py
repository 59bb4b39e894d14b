"""A DEK is destroyed although records under it remain only where both custodians sign how many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from aegis_stream.cli._records_left import must_not_remain
from aegis_stream.control.arguments import DestroyDek
from aegis_stream.control.command import Command
from aegis_stream.errors import CommandReason, CommandRefusedError
from tests.support.control_examples import V1
from tests.support.control_world import NOW, World

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "command.schema.json").read_text("utf-8"))
FORCED = DestroyDek(V1, no_copies_attested=False, records_left=12)


def test_what_is_forced_is_signed_and_comes_back() -> None:
    """The second custodian, the agent and the record must see it; who forces nothing says nothing."""
    command = Command.new(FORCED, deployment="d", reason="why", now=NOW)
    shape = json.loads(command.to_payload())
    assert shape["arguments"] == {"version": V1.text, "no_copies_attested": False, "records_left": 12}
    assert Command.from_payload(command.to_payload()) == command
    assert "records_left" not in DestroyDek(V1, no_copies_attested=True).to_json()


@pytest.mark.parametrize("value", [0, -1, 1.5, "12", None, True])
def test_other_counts_are_refused_by_reader_and_schema(value: object) -> None:
    """A count of nothing would be a force without need."""
    shape = json.loads(Command.new(FORCED, deployment="d", reason="why", now=NOW).to_payload())
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid(shape)
    shape["arguments"]["records_left"] = value
    assert not validator.is_valid(shape)
    with pytest.raises(CommandRefusedError) as caught:
        Command.from_payload(json.dumps(shape).encode())
    assert caught.value.command_reason is CommandReason.PAYLOAD


def test_the_result_says_what_was_given_up() -> None:
    """Years later somebody asks where those events are."""
    world = World.new(rotations=1)
    decision = world.run_both(DestroyDek(world.version(1), no_copies_attested=True, records_left=1_200))
    assert "forced: 1,200 records" in decision.result.message


def test_remaining_records_refuse_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused with the places and two ways out; forced with a warning."""
    assert must_not_remain(V1, {}, forced=False) is None
    assert must_not_remain(V1, {}, forced=True) is None
    left = {"aegis.encrypted": 1_000, "dead letters": 2}
    with pytest.raises(CommandRefusedError, match=r"1,000 on aegis[.]encrypted, 2 dead letters") as caught:
        must_not_remain(V1, left, forced=False)
    assert caught.value.command_reason is CommandReason.RECORDS_REMAIN
    assert "--force" in caught.value.remedy
    assert must_not_remain(V1, left, forced=True) == 1_002
    assert "never be read again" in capsys.readouterr().err

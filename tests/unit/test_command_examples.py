"""The examples in schemas/command.schema.json are commands, for whoever writes one by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aegis_stream.control.command import Command
from aegis_stream.control.kinds import CommandKind

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "command.schema.json").read_text("utf-8"))
EXAMPLES: list[dict[str, Any]] = SCHEMA["examples"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["kind"])
def test_example_is_a_command(example: dict[str, Any]) -> None:
    """By the schema and by the reader."""
    assert Draft202012Validator(SCHEMA).is_valid(example)
    assert Command.from_payload(json.dumps(example).encode()).kind.value == example["kind"]


def test_examples_show_every_kind_without_long_keys() -> None:
    """Kinds with HybridKEM, agent's or enrichers' new keys are made by `aegis`; the others can be typed."""
    long_keys = {
        CommandKind.ENROL_ENRICHER,
        CommandKind.ROTATE_KEK,
        CommandKind.REPLACE_AGENT_KEY,
        CommandKind.SET_RECOVERY_KEY,
    }
    assert {example["kind"] for example in EXAMPLES} == {kind.value for kind in CommandKind if kind not in long_keys}

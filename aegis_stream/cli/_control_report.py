"""Tables of commands."""

from __future__ import annotations

from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

_NO_COMMANDS = "no commands on the control topic"


def print_log(shapes: list[dict[str, Any]]) -> None:
    """Print one line a command."""
    console = Console(soft_wrap=False)
    if not shapes:
        console.print(_NO_COMMANDS)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "command", "state", "signed by", "missing", "until"):
        table.add_column(title, overflow="fold", no_wrap=title == "id")
    for shape in shapes:
        until = shape["command"]["expires_at"] if shape["command"] else ""
        row = (shape["id"], shape["kind"] or "?", shape["state"], _words(shape["signed_by"]), _words(shape["missing"]))
        table.add_row(*row, until)
    console.print(table)


def print_standing(shape: dict[str, Any]) -> None:
    """Print everything about one command, a line each."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"{shape['id']} {shape['kind'] or '?'}: {shape['state']}")
    command = shape["command"]
    if command is not None:
        console.print(f"reason: {command['reason']}")
        console.print(f"issued {command['issued_at']}, valid until {command['expires_at']}")
        console.print(f"arguments: {orjson.dumps(command['arguments']).decode()}")
    for name in ("signed_by", "signer_keys", "rejected_by", "missing"):
        if shape[name]:
            console.print(f"{name.replace('_', ' ')}: {_words(shape[name])}")
    for each in shape["ignored"]:
        console.print(f"does not count: {each['record']} ({each['reason']})")
    if shape["message"]:
        console.print(f"note: {shape['message']}")
    for change in shape.get("changes", ()):
        console.print(f"would change  {change}")
    if "would_be_refused" in shape:
        console.print(f"would be refused: {shape['would_be_refused']}")
    for name, value in (shape["result"] or {}).items():
        console.print(f"result {name}: {value}")


def _words(values: list[str]) -> str:
    return ", ".join(values)

"""Tables of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 1_048_576
"""A command's arguments are shown whole: who signs must see what."""

_NO_COMMANDS = "no commands on the control topic"


def print_log(shapes: list[dict[str, Any]]) -> None:
    """Print one line a command."""
    console = Console(soft_wrap=False)
    if not shapes:
        console.print(_NO_COMMANDS)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "command", "state", "signed by", "missing", "until"):
        table.add_column(title, overflow="fold", no_wrap=title in {"id", "command", "state"})
    for shape in shapes:
        until = shape["command"]["expires_at"] if shape["command"] else ""
        row = (shape["id"], shape["kind"] or "?", shape["state"], _words(shape["signed_by"]), _words(shape["missing"]))
        table.add_row(*row, until)
    console.print(table)


def print_standing(shape: dict[str, Any]) -> None:
    """Print everything about one command, a line each."""
    for line in _lines(shape):
        typer.echo(plain(line, longest=MAX_LINE))


def _lines(shape: dict[str, Any]) -> Iterator[str]:
    yield f"{shape['id']} {shape['kind'] or '?'}: {shape['state']}"
    command = shape["command"]
    if command is not None:
        yield f"reason: {command['reason']}"
        yield f"issued {command['issued_at']}, valid until {command['expires_at']}"
        yield f"arguments: {orjson.dumps(command['arguments']).decode()}"
    for name in ("signed_by", "signer_keys", "rejected_by", "missing"):
        if shape[name]:
            yield f"{name.replace('_', ' ')}: {_words(shape[name])}"
    for each in shape["ignored"]:
        yield f"does not count: {each['record']} ({each['reason']})"
    if shape["message"]:
        yield f"note: {shape['message']}"
    for change in shape.get("changes", ()):
        yield f"would change  {change}"
    if "would_be_refused" in shape:
        yield f"would be refused: {shape['would_be_refused']}"
    for name, value in (shape["result"] or {}).items():
        if value != "":
            yield f"result {name}: {_words(value) if isinstance(value, list) else value}"


def _words(values: list[str]) -> str:
    return ", ".join(values)

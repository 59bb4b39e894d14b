"""`aegis inspect`: the structure of encrypted events, without any key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis_stream.cli import _exit
from aegis_stream.cli._documents import documents
from aegis_stream.cli._key_files import PolicyOption, policy_from
from aegis_stream.cli._streams import STANDARD, FileArgument
from aegis_stream.cli._structure import shape_of
from aegis_stream.document import parse_object

if TYPE_CHECKING:
    from aegis_stream.cli._structure import EventShape


def inspect(
    *,
    source: FileArgument = STANDARD,
    policy: PolicyOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an event instead of text.")] = False,
) -> int:
    """Show what is encrypted in an event, under which DEK version and from where; no key is needed or used.

    Every rule of shape is judged as a reader judges it.  What only a key can tell, tags and signatures, is not judged.
    Exits with 1 if an event breaks a rule.

    Example: `aegis inspect encrypted.jsonl`
    """
    judged_by = policy_from(policy)
    console = Console(highlight=False)
    broken = False
    for line in documents(source):
        shape = shape_of(line.raw, parse_object(line.raw), policy=judged_by)
        broken = broken or bool(shape.fault)
        if json:
            typer.echo(orjson.dumps({"line": line.number, **shape.to_json()}))
        else:
            _show(console, line.number, shape)
    return _exit.REFUSED if broken else _exit.OK


def _show(console: Console, number: int, shape: EventShape) -> None:
    """Print one event."""
    console.print(Text(f"event {number}", style="bold"), end="")
    console.print(
        Text("  refused: " + shape.fault, style="red") if shape.fault else Text("  well formed", style="green")
    )
    facts = Table.grid(padding=(0, 2))
    signature = f"{shape.signed_by} (not checked here)" if shape.signed_by else "" if shape.fault else "nobody"
    for name, value in (
        ("DEK version", shape.dek_version),
        ("event", shape.id),
        ("source", shape.source or ("" if shape.fault else "none (library use)")),
        ("session", f"{shape.session}" if shape.session else ""),
        ("signed by", signature),
        ("encrypted at", shape.encrypted_at),
        ("in the clear", " ".join(path for path, _ in shape.clear)),
    ):
        if value:
            facts.add_row(f"  {name}", Text(value))
    console.print(facts)
    if shape.fields:
        table = Table(box=None, header_style="dim", pad_edge=False)
        table.add_column("  encrypted")
        table.add_column("value")
        table.add_column("bytes", justify="right")
        table.add_column("hash")
        for entry in shape.fields:
            table.add_row(
                Text(f"  {entry.path}"), entry.kind, f"{entry.plaintext_bytes:,}", Text(entry.hash_prefix + "…")
            )
        console.print(table)
    console.print()

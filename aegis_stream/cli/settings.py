"""`aegis settings`: every variable, its default and whether it is set."""

from __future__ import annotations

import os
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis_stream.cli._exit import say_hint
from aegis_stream.settings import reference


def show(
    *,
    json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="The table of the documentation.")] = False,
) -> None:
    """List every environment variable with its purpose, default and whether it is set; never a secret.

    Example: `aegis settings`
    """
    if markdown:
        typer.echo(reference.markdown_table(), nl=False)
        return
    rows = [(variable, _shown(variable)) for variable in reference.variables()]
    if json:
        typer.echo(orjson.dumps([{**variable._asdict(), "value": value} for variable, value in rows]))
    else:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("variable", no_wrap=True)
        table.add_column("value, or default", overflow="fold", max_width=32)
        table.add_column("purpose")
        for variable, value in rows:
            shown = Text(value, style="bold") if value else Text(variable.default, style="dim")
            table.add_row(variable.name, shown, variable.purpose)
        Console(highlight=False).print(table)
    for name, near in reference.unknown_variables(os.environ).items():
        say_hint(f"{name} is no setting" + (f"; {near} is" if near else ""))


def _shown(variable: reference.Variable) -> str:
    """Return what the environment holds; a secret or key only as being set."""
    value = os.environ.get(variable.name, "")
    if os.environ.get(f"{variable.name}_FILE") and variable.file:
        return "(from a file)"
    return "(set)" if value and variable.file else value

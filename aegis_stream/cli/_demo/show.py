"""What the demo shows; plain text where nobody looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH = 110
_TEXT_SHOWN = 24


class Stage:
    """Prints the story to standard output."""

    def __init__(self) -> None:
        """Use the terminal's width, or 110 columns where there is none."""
        console = Console(highlight=False)
        self._console = console if console.is_terminal else Console(highlight=False, width=_WIDTH)

    def step(self, title: str, told: str = "") -> None:
        """Print one step of the story."""
        self._console.print(Text.assemble(("● ", "cyan"), (title, "bold"), ("  " + told if told else "", "dim")))

    def detail(self, told: str, style: str = "") -> None:
        """Print one line below a step."""
        self._console.print(Text(f"  {told}", style=style))

    def side_by_side(self, raw: Mapping[str, Any], encrypted: Mapping[str, Any]) -> None:
        """Print one event before and after; the long texts of encryption are cut."""
        table = Table.grid(expand=True, padding=(0, 1))
        table.add_column(ratio=5)
        table.add_column(ratio=7)
        table.add_row(
            Panel(_pretty(raw, hidden=encrypted), title="on the raw topic", border_style="red"),
            Panel(_pretty(_short(encrypted), hidden={}), title="on the encrypted topic", border_style="green"),
        )
        self._console.print(table)

    def closing(self, commands: Mapping[str, str]) -> None:
        """Print what to try next."""
        rows = Table.grid(padding=(0, 2))
        for command, purpose in commands.items():
            rows.add_row(Text(command, style="cyan"), purpose)
        self._console.print()
        self._console.print(Group(Text("What to try next", style="bold"), rows))


def _pretty(event: Mapping[str, Any], *, hidden: Mapping[str, Any]) -> Text:
    """Return an event as indented JSON; members that are encrypted in `hidden` stand out."""
    lines = orjson.dumps(event, option=orjson.OPT_INDENT_2).decode().splitlines()
    text = Text()
    marked = False
    for line in lines:
        if line.startswith('  "'):
            name = line.split('"')[1]
            marked = isinstance(hidden.get(name), dict) and name != "_aegis"
        style = "bold red" if marked else "green" if '"_encrypted"' in line or '"_ciphertext"' in line else ""
        text.append(line + "\n", style=style)
    text.rstrip()
    return text


def _short(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Cut long texts."""
    if isinstance(value, str):
        return value if len(value) <= _TEXT_SHOWN else f"{value[:_TEXT_SHOWN]}… ({len(value):,})"
    if isinstance(value, dict):
        return {name: _short(member) for name, member in value.items()}
    return [_short(element) for element in value] if isinstance(value, list) else value

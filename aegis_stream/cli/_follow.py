"""Show a command before it is signed, then follow what becomes of it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson
import typer
from rich.console import Console

from aegis_stream.cli import _exit
from aegis_stream.cli._control_report import MAX_LINE
from aegis_stream.cli._how import DEFAULT_WAIT_S
from aegis_stream.cli._standing import result_lines
from aegis_stream.control.result import Outcome
from aegis_stream.control.standing import shape_of, state_text
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Collection

    from aegis_stream.cli._how import How
    from aegis_stream.client.command_client import CommandClient
    from aegis_stream.control import Result, Slot
    from aegis_stream.control.command import Command
    from aegis_stream.control.preview import Preview
    from aegis_stream.control.standing import Standing


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, what it would change, and the answer that was there before, if any."""

    command: Command
    preview: Preview
    since: Result | None = None


def print_preview(asked: Asked, *, needs: str, how: How) -> None:
    """Say what would change: the result of a dry run, else talk before the question."""
    command, shown = asked.command, asked.preview
    if how.dry_run and how.json:
        changes = {"kind": command.kind.value, "changes": list(shown.changes), "notes": list(shown.notes)}
        typer.echo(orjson.dumps({**changes, "needs": needs}))
        return
    lines = [f"{command.kind.value} in {command.deployment}: {needs}; valid until {time_text(command.expires_at)}"]
    lines += [f"  {change}" for change in shown.changes or ("nothing changes",)]
    lines += [f"  note: {note}" for note in shown.notes]
    if shown.binds_by is not None:
        lines.append(
            f"  binds every follower at once, and by {time_text(shown.binds_by)} where it is withheld from one"
        )
    for line in lines:
        typer.echo(plain(line, longest=MAX_LINE), err=not how.dry_run)


async def follow(
    client: CommandClient,
    asked: Asked,
    how: How,
    *,
    missing: Collection[Slot],
    refusal_is_success: bool = False,
) -> int:
    """Follow a command that was published or answered, print how it stands, and return the exit code.

    missing: the signatures that it still needs.  refusal_is_success: for who rejects.
    """
    command_id = asked.command.id
    wait_s = how.wait_s if how.wait_s is not None else (0.0 if missing else DEFAULT_WAIT_S)
    console = Console(stderr=True)
    with console.status(f"{command_id}: published", spinner="dots") if sys.stderr.isatty() else _Quiet() as status:
        standing = await client.follow(
            command_id,
            timeout_s=wait_s,
            since=asked.since,
            on_change=lambda seen: status.update(f"{command_id}: {state_text(seen)}"),
        )
    answered = standing is not None and standing.result is not None and standing.result != asked.since
    if how.json:
        told = (
            {"id": command_id, "state": "published", "missing": list(missing)}
            if standing is None
            else shape_of(standing)
        )
        typer.echo(orjson.dumps({**told, "changes": list(asked.preview.changes)}))
    else:
        _tell(asked, standing if answered else None, missing)
    if standing is not None and answered and standing.result is not None:
        refused = standing.result.outcome in {Outcome.REFUSED, Outcome.EXPIRED}
        return _exit.REFUSED if refused != refusal_is_success else _exit.OK
    if missing and not refusal_is_success:
        return _exit.OK
    return _unanswered(command_id, wait_s)


class _Quiet:
    """In place of a spinner, where nobody is looking."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, _text: str) -> None:
        """Show nothing."""


def _tell(asked: Asked, standing: Standing | None, missing: Collection[Slot]) -> None:
    command_id = asked.command.id
    if standing is not None and standing.result is not None:
        typer.echo(f"{command_id} {asked.command.kind.value}: {state_text(standing)}")
        for line in result_lines(standing.result):
            typer.echo(plain(f"  {line}", longest=MAX_LINE))
        return
    typer.echo(f"{command_id} {asked.command.kind.value}: published")
    if missing:
        typer.echo(f"  still needs: {', '.join(missing)}")
        _exit.say_hint(f"each of them runs `aegis control approve {command_id}`")


def _unanswered(command_id: str, wait_s: float) -> int:
    if not wait_s:
        return _exit.OK
    _exit.say_error(f"the rotation agent has not answered within {wait_s:g} s")
    _exit.say_hint(f"see that it runs (`aegis run rotator`); then `aegis control show {command_id}`")
    return _exit.UNAVAILABLE

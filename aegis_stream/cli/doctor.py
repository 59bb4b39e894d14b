"""`aegis doctor`: everything that a process will need, looked at before it starts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from aegis_stream.cli._checks.check import Check, Role, Status, failed, skipped
from aegis_stream.cli._exit import OK, REFUSED
from aegis_stream.errors import AegisError
from aegis_stream.settings import Settings, load_settings
from aegis_stream.settings.reference import unknown_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "bold red", Status.SKIPPED: "dim"}


def doctor(
    *,
    role: Annotated[
        Role | None,
        typer.Option("--for", help="Ask what this role needs; without it what is configured is looked at."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> int:
    """Look at settings, KEK, Kafka, topics, control topic, clock and libraries, and say what to do about each failure.

    The KEK is really used: a DEK is wrapped and unwrapped, and KMS or the HSM is asked to wrap and unwrap now.
    Nothing is changed.

    Exit codes: 0 it is safe to start, 1 it is not.

    Example: `aegis doctor --for reader`
    """
    checks = list(_look(role))
    safe = not any(check.status is Status.FAILED for check in checks)
    if json:
        rows = [check._asdict() for check in checks]
        typer.echo(orjson.dumps({"safe": safe, "checks": rows}, option=orjson.OPT_INDENT_2))
    else:
        _print(checks, safe=safe)
    return OK if safe else REFUSED


def _look(role: Role | None) -> Iterator[Check]:
    # What these stand on takes half a second to import, which `aegis --help` need not wait for.
    from aegis_stream.cli._checks.custody import look_at_custody  # noqa: PLC0415
    from aegis_stream.cli._checks.machine import look_at_machine  # noqa: PLC0415

    settings, rows = _settings()
    yield from rows
    yield from look_at_machine()
    custody = look_at_custody(role)
    yield from custody.checks
    if settings is None:
        for area in ("kafka", "topics", "control"):
            yield skipped(area, "", "the settings are wrong")
        return
    from aegis_stream.cli._checks.broker import look_at_broker  # noqa: PLC0415
    from aegis_stream.cli._checks.keyring import look_at_keyring  # noqa: PLC0415

    broker = look_at_broker(settings, role)
    yield from broker
    if broker[0].status is Status.FAILED:
        yield skipped("control", "manifest", "Kafka does not answer")
    else:
        yield from look_at_keyring(settings, role, custody.keks)


def _settings() -> tuple[Settings | None, list[Check]]:
    rows = []
    settings = None
    try:
        settings = load_settings()
        rows.append(
            Check("settings", "variables", Status.OK, f"deployment {settings.deployment}, {settings.environment}")
        )
    except AegisError as error:
        rows.append(failed("settings", "variables", error))
    for name, near in unknown_variables(os.environ).items():
        remedy = f"is {near} meant?" if near else "unset it"
        rows.append(Check("settings", name, Status.WARNING, "is no setting", remedy))
    return settings, rows


def _print(checks: list[Check], *, safe: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("area", "what", "", "found", "what to do"):
        table.add_column(title, overflow="fold", no_wrap=title in {"area", ""})
    for check in checks:
        status = f"[{_STYLES[check.status]}]{check.status}[/]"
        table.add_row(check.area, check.what, status, _plain(check.found), _plain(check.remedy))
    console = Console(soft_wrap=False)
    console.print(table)
    failures = sum(check.status is Status.FAILED for check in checks)
    console.print("safe to start" if safe else f"not safe to start: {failures} failed")


def _plain(text: str) -> str:
    """Keep rich from reading a message as markup."""
    return text.replace("[", "\\[")

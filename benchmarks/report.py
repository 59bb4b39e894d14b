"""The table for people and the JSON for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from rich.table import Table

from benchmarks.machine import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.outcome import Outcome


def table(outcomes: Sequence[Outcome]) -> Table:
    """Return one row a measurement: what, its figure, its target and whether it holds."""
    about = machine()
    drawn = Table(
        title="aegis-stream, measured in one run",
        caption=f"{about['processor']}, {about['cores']} cores, {about['system']}, {about['python']}",
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("benchmark", "measured", "figure", "target", "holds"):
        drawn.add_column(heading, justify="right" if heading == "figure" else "left")
    for outcome in outcomes:
        verdict = "" if not outcome.target else "[green]yes[/]" if outcome.holds else "[red]no[/]"
        drawn.add_row(outcome.benchmark, f"{outcome.subject}\n[dim]{_detail(outcome)}[/]", outcome.headline,
                      outcome.target, verdict)  # fmt: skip
    return drawn


def as_json(outcomes: Sequence[Outcome]) -> str:
    """Return the machine and all figures as one JSON document."""
    document = {
        "machine": machine(),
        "results": [
            {
                "benchmark": outcome.benchmark,
                "subject": outcome.subject,
                "headline": outcome.headline,
                "target": outcome.target or None,
                "holds": outcome.holds if outcome.target else None,
                "figures": dict(outcome.figures),
            }
            for outcome in outcomes
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()


def _detail(outcome: Outcome) -> str:
    return ", ".join(f"{name} {value}" for name, value in outcome.figures.items())

"""How soon a rotation is obeyed, and what the events meanwhile notice of it: nothing.

From the acknowledgement of the last record that a command needs to the first event under the new DEK in a reader's
hands, so the agent, the enrichers, the encrypted topic and the reader's own look at the control topic are all in it.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.outcome import Outcome
from benchmarks.rotating import RotatingDeployment
from tools.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROTATIONS, SHORT_ROTATIONS = 20, 6
PER_SECOND = 100.0
PAUSE_S = 0.25
"""Between two rotations, so that each finds a deployment at rest."""

MEDIAN_AT_MOST_S, WORST_AT_MOST_S = 1.0, 2.0
LATE_AT_MOST_S = 2.0


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield the latencies, and whether every event came through."""
    with KafkaServer() as server, tempfile.TemporaryDirectory(prefix="aegis-bench-") as folder:
        yield from asyncio.run(
            measure(server.bootstrap, Path(folder), rotations=SHORT_ROTATIONS if short else ROTATIONS)
        )


async def measure(bootstrap: str, folder: Path, *, rotations: int, pause_s: float = PAUSE_S) -> list[Outcome]:
    """Rotate under load, with one KEK rewrap and one emergency among the rotations.  Raises WorkerFailedError."""
    async with RotatingDeployment(bootstrap, folder, per_second=PER_SECOND) as deployment:
        for number in range(rotations):
            if number == rotations // 3:
                await deployment.rotate_kek()
            if number == 2 * rotations // 3:
                await deployment.emergency()
            await deployment.rotate_dek()
            await asyncio.sleep(pause_s)
        await deployment.drain()
    return [latency(deployment), passage(deployment)]


def latency(deployment: RotatingDeployment) -> Outcome:
    """Judge the times from acknowledgement to first event."""
    traffic = deployment.traffic
    took_s, all_s = [], []
    for rotated in deployment.rotated:
        first = traffic.first_under(rotated.n)
        took_s.append(first - rotated.acknowledged)
        last = traffic.last_below(rotated.n, after=rotated.acknowledged)
        all_s.append(max(last, first) - rotated.acknowledged)
    median, worst = statistics.median(took_s), max(took_s)
    return Outcome(
        benchmark="rotation",
        subject="command acknowledged to first event under the new DEK, read",
        headline=f"{median * 1e3:.0f} ms, worst {worst * 1e3:.0f} ms",
        target=f"median at most {MEDIAN_AT_MOST_S:g} s, worst {WORST_AT_MOST_S:g} s",
        holds=median <= MEDIAN_AT_MOST_S and worst <= WORST_AT_MOST_S,
        figures={
            "rotations": len(took_s),
            "min_ms": _ms(min(took_s)),
            "p25_ms": _ms(_quantile(took_s, 0.25)),
            "median_ms": _ms(median),
            "p75_ms": _ms(_quantile(took_s, 0.75)),
            "p90_ms": _ms(_quantile(took_s, 0.9)),
            "max_ms": _ms(worst),
            "last_event_under_the_old_dek_max_ms": _ms(max(all_s)),
        },
    )


def passage(deployment: RotatingDeployment) -> Outcome:
    """Judge what became of every event."""
    traffic = deployment.traffic
    refused, late_s = traffic.refused.total(), traffic.latest_s()
    return Outcome(
        benchmark="rotation",
        subject=f"{len(traffic.acknowledged):,} events through 2 enrichers and {len(traffic.seen)} readers meanwhile",
        headline=f"{refused} failed, {traffic.lost} lost, latest after {late_s * 1e3:.0f} ms",
        target=f"none, none, {LATE_AT_MOST_S:g} s",
        holds=not refused and not traffic.lost and late_s <= LATE_AT_MOST_S,
        figures={
            "failed": refused,
            "lost": traffic.lost,
            "latest_ms": _ms(late_s),
            "repeats": traffic.repeats,
            "per_second": PER_SECOND,
        },
    )


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 1)

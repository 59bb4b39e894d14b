"""One enricher end to end on a real Kafka, against a plain aiokafka copy of the same input.

In each round the copy, the enricher and the enricher with a protect_batch that copies run one after the other, each a
process of its own, none compressing.  The pace is that of the output topic's offsets.  The other figure is the CPU
time of the process alone, which other work on the machine disturbs less.
"""

from __future__ import annotations

import asyncio
import statistics
from typing import TYPE_CHECKING

from aegis_stream.encryption.engine import find_native
from benchmarks.deployment import deploy
from benchmarks.outcome import Outcome
from benchmarks.passage import passage
from benchmarks.topics import Job, create_topics, delete_topics, encrypted_pool, fill, unique
from tools.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.passage import Kind, Passage

KINDS: tuple[Kind, ...] = ("copy", "enricher", "stand-in")
NATIVE_KINDS: tuple[Kind, ...] = ("native", "large-copy")
ENRICHER_AT_LEAST = 0.22
STAND_IN_AT_LEAST = 1.0
NATIVE_AT_LEAST = 0.65
NATIVE_AT_LEAST_OF_LARGE = 1.2
DISAGREE = 1.5
"""Rounds whose ratios lie further apart than this factor were disturbed."""
EVENTS = 60_000
SHORT_EVENTS = 20_000
ROUNDS = 5
SHORT_ROUNDS = 3


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield the enricher and its stand-in form, each as a share of the copy's pace."""
    events, rounds = (SHORT_EVENTS, SHORT_ROUNDS) if short else (EVENTS, ROUNDS)
    with KafkaServer() as server:
        kinds = (*KINDS, *NATIVE_KINDS) if find_native().module else KINDS
        measured = asyncio.run(measure(server.bootstrap, events=events, rounds=rounds, kinds=kinds))
    yield share(measured["enricher"], measured["copy"], "an enricher in pure Python", ENRICHER_AT_LEAST, events)
    yield share(
        measured["stand-in"], measured["copy"], "an enricher whose protect_batch copies", STAND_IN_AT_LEAST, events
    )
    if "native" in measured:
        native = measured["native"]
        yield share(native, measured["copy"], "an enricher with the native core", NATIVE_AT_LEAST, events)
        yield share(
            native,
            measured["large-copy"],
            "an enricher with the native core",
            NATIVE_AT_LEAST_OF_LARGE,
            events,
            peer="a plain aiokafka copy of events as large as its output",
        )


async def measure(
    bootstrap: str, *, events: int, rounds: int, kinds: Sequence[Kind] = KINDS
) -> dict[Kind, list[Passage]]:
    """Fill a raw topic once and let each kind of worker carry it, in turn, `rounds` times."""
    raw = Job(bootstrap=bootstrap).raw
    variables = await deploy(bootstrap, unique("control"))
    large = Job(bootstrap=bootstrap).raw
    await create_topics(bootstrap, [raw, large])
    await fill(bootstrap, raw, events)
    if "large-copy" in kinds:
        await fill(bootstrap, large, events, encrypted_pool())
    measured: dict[Kind, list[Passage]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds[:: -1 if number % 2 else 1]:
            job = Job(bootstrap=bootstrap, raw=large if kind == "large-copy" else raw)
            measured[kind].append(await passage(kind, job, variables, events=events))
    await delete_topics(bootstrap, [raw, large])
    return measured


def share(  # noqa: PLR0913, PLR0917 - the row of a table
    ours: Sequence[Passage],
    copy: Sequence[Passage],
    subject: str,
    at_least: float,
    events: int,
    peer: str = "a plain aiokafka copy",
) -> Outcome:
    """Judge the median of the rounds' ratios of pace; where the rounds disagree, the worst.

    A round is a few seconds of three processes and a broker: on a busy machine chance makes ratios of any size.
    """
    ratios = [plain.us_per_event / one.us_per_event for one, plain in zip(ours, copy, strict=True)]
    by_cpu = [plain.cpu_us_per_event / one.cpu_us_per_event for one, plain in zip(ours, copy, strict=True)]
    median = statistics.median(ratios)
    disturbed = max(ratios) > DISAGREE * min(ratios)
    return Outcome(
        benchmark="enricher",
        subject=f"{subject}, against {peer}",
        headline=f"{min(ratios):.2f} to {max(ratios):.2f} x" if disturbed else f"{median:.2f} x",
        target=f"at least {at_least:g} x",
        holds=(min(ratios) if disturbed else median) >= at_least,
        figures={
            "ratio_median": round(median, 3),
            "ratio_min": round(min(ratios), 3),
            "ratio_max": round(max(ratios), 3),
            "cpu_ratio_median": round(statistics.median(by_cpu), 3),
            "ours_us_per_event": round(min(one.us_per_event for one in ours), 1),
            "copy_us_per_event": round(min(one.us_per_event for one in copy), 1),
            "ours_cpu_us_per_event": round(min(one.cpu_us_per_event for one in ours), 1),
            "copy_cpu_us_per_event": round(min(one.cpu_us_per_event for one in copy), 1),
            "rounds": len(ratios),
            "events_per_round": events,
        },
    )

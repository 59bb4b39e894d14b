"""How the pace grows with enricher processes: 1, 2 and 4 of them over 8 partitions of one topic, on one machine.

All processes of a round join one group at the same time and share a topic that was filled before.  The machine's cores
are shared with the broker, so what counts is the CPU time an event costs; docs/scaling.md derives the rest from it.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aegis_stream.encryption.engine import find_native
from benchmarks.deployment import deploy
from benchmarks.outcome import Outcome
from benchmarks.passage import CPU_TICK_S, LOOK_EVERY_S, WARM_SHARE, Passage, cpu_s, reached, running
from benchmarks.topics import Job, Watcher, create_topics, delete_topics, fill, unique
from tools.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.passage import Kind

PROCESSES = (1, 2, 4)
PARTITIONS = 8
EVENTS = 120_000
SHORT_EVENTS = 40_000
BROKER = {"group.initial.rebalance.delay.ms": "5000"}
"""Long enough that all processes of a round are in the group's first generation."""

_S_PER_HOUR = 3_600


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield the pace of each number of processes; none has a target."""
    events = SHORT_EVENTS if short else EVENTS
    kind: Kind = "native" if find_native().module else "enricher"
    with KafkaServer(properties=BROKER) as server:
        measured = asyncio.run(measure(server.bootstrap, events=events, processes=PROCESSES, kind=kind))
    for count, passage in measured.items():
        yield outcome(count, passage, one=measured[PROCESSES[0]], kind=kind, events=events)


async def measure(
    bootstrap: str, *, events: int, processes: Sequence[int], kind: Kind = "native"
) -> dict[int, Passage]:
    """Fill a raw topic and let each number of processes carry it.  Raises WorkerFailedError."""
    raw = Job(bootstrap=bootstrap).raw
    variables = await deploy(bootstrap, unique("control"))
    await create_topics(bootstrap, [raw], partitions=PARTITIONS)
    await fill(bootstrap, raw, events, partitions=PARTITIONS)
    measured = {
        count: await carried(kind, Job(bootstrap=bootstrap, raw=raw), variables, events, count) for count in processes
    }
    await delete_topics(bootstrap, [raw])
    return measured


async def carried(kind: Kind, job: Job, variables: Mapping[str, str], events: int, processes: int) -> Passage:
    """Carry the topic with so many processes; their CPU times are added up."""
    outputs = [job.encrypted, job.dead_letter]
    await create_topics(job.bootstrap, outputs, partitions=PARTITIONS)
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(running(kind, job, variables)) for _ in range(processes)]
        watcher = await stack.enter_async_context(Watcher(job.bootstrap, job.encrypted, partitions=PARTITIONS))
        first = await reached(watcher, workers[0], int(events * WARM_SHARE))
        before_s = sum(cpu_s(worker.pid) for worker in workers)
        last = await reached(watcher, workers[0], events)
        used_s = sum(cpu_s(worker.pid) for worker in workers) - before_s
    await delete_topics(job.bootstrap, outputs)
    # With few events all may be there at the first look, or within one tick of the CPU's clock.
    counted = max(last.events - first.events, 1)
    return Passage(
        us_per_event=max(last.at_s - first.at_s, LOOK_EVERY_S) / counted * 1e6,
        cpu_us_per_event=max(used_s, CPU_TICK_S) / counted * 1e6,
        bytes_out=0,
    )


def outcome(processes: int, passage: Passage, *, one: Passage, kind: Kind, events: int) -> Outcome:
    """Say what one number of processes reached, and what a million events cost."""
    events_per_s = 1e6 / passage.us_per_event
    return Outcome(
        benchmark="scale",
        subject=f"{processes} enricher process{'es' if processes > 1 else ''} ({kind}), {PARTITIONS} partitions",
        headline=f"{events_per_s:,.0f} events/s",
        target="",
        holds=True,
        figures={
            "events_per_s": round(events_per_s),
            "of_one_process": round(one.us_per_event / passage.us_per_event, 2),
            "cpu_us_per_event": round(passage.cpu_us_per_event, 1),
            "core_hours_per_million_events": round(passage.cpu_us_per_event / _S_PER_HOUR, 4),
            "cores_of_the_machine": os.cpu_count() or 0,
            "events": events,
        },
    )

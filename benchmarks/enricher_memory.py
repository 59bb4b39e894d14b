"""Memory of one enricher process while events go through it: flat.

The topics keep only their newest part, and events are written as fast as they are carried, so any number of them needs
little disk.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from benchmarks.deployment import deploy
from benchmarks.outcome import Outcome
from benchmarks.passage import reached, running
from benchmarks.resident import MIB, resident_bytes
from benchmarks.topics import Filler, Job, Watcher, create_topics, filling_producer, unique
from tools.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


COUNTS = (200_000, 2_000_000)
SHORT_COUNTS = (20_000, 100_000)
GROWTH_AT_MOST = 0.10
AHEAD = 20_000
"""Events that wait on the raw topic: enough that the enricher never does."""
STEP = 5_000
KEPT = {"retention.bytes": str(128 * MIB), "segment.bytes": str(32 * MIB)}
BROKER = {"log.retention.check.interval.ms": "2000", "log.segment.delete.delay.ms": "1000"}


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield the growth of an enricher between both counts of events."""
    counts = SHORT_COUNTS if short else COUNTS
    with KafkaServer(properties=BROKER) as server:
        before, after = asyncio.run(sizes(server.bootstrap, counts))
    grown = after / before - 1
    yield Outcome(
        benchmark="enricher-memory",
        subject="one enricher process on a real Kafka, pure Python",
        headline=f"{grown:+.1%}",
        target=f"at most {GROWTH_AT_MOST:+.0%}",
        holds=grown <= GROWTH_AT_MOST,
        figures={
            "growth": round(grown, 4),
            f"mib_after_{counts[0]}": round(before / MIB, 1),
            f"mib_after_{counts[1]}": round(after / MIB, 1),
        },
    )


async def sizes(bootstrap: str, counts: Sequence[int]) -> list[int]:
    """Return the enricher's resident size, bytes, after each of the counts.  Raises WorkerFailedError."""
    job = Job(bootstrap=bootstrap)
    variables = await deploy(bootstrap, unique("control"))
    await create_topics(bootstrap, [job.raw, job.encrypted, job.dead_letter], settings=KEPT)
    found: list[int] = []
    async with filling_producer(bootstrap) as producer, Watcher(bootstrap, job.encrypted) as watcher:
        filler = Filler(producer, job.raw)
        await filler.add(AHEAD)
        async with running("enricher", job, variables) as worker:
            for count in counts:
                while filler.events < count + AHEAD:
                    await reached(watcher, worker, filler.events - AHEAD)
                    await filler.add(STEP)
                await reached(watcher, worker, count)
                found.append(resident_bytes(worker.pid))
    return found

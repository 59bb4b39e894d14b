"""Bytes on the broker for bytes in, and what each compression costs the enricher."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, get_args

from aegis_stream.encryption.engine import find_native
from benchmarks.deployment import deploy
from benchmarks.outcome import Outcome
from benchmarks.passage import passage
from benchmarks.topics import Compression, Job, create_topics, fill, unique
from tools.kafka import KafkaServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from benchmarks.passage import Kind

EVENTS = 30_000
SHORT_EVENTS = 10_000


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield one outcome a compression, none first."""
    with KafkaServer() as server:
        events = SHORT_EVENTS if short else EVENTS
        yield from asyncio.run(_all(server.bootstrap, server.folder / "data", events))


async def _all(bootstrap: str, data: Path, events: int) -> list[Outcome]:
    return [outcome async for outcome in measure(bootstrap, data, events=events)]


async def measure(
    bootstrap: str, data: Path, *, events: int, compressions: Sequence[Compression] = get_args(Compression)
) -> AsyncIterator[Outcome]:
    """Let an enricher carry the same raw topic once with each compression; `data` is the broker's data folder."""
    kind: Kind = "native" if find_native().module else "enricher"
    raw = Job(bootstrap=bootstrap).raw
    variables = await deploy(bootstrap, unique("control"))
    await create_topics(bootstrap, [raw])
    bytes_in = await fill(bootstrap, raw, events)
    for compression in compressions:
        job = Job(bootstrap=bootstrap, raw=raw, compression=compression)
        done = await passage(kind, job, variables, events=events, data=data)
        yield Outcome(
            benchmark="compression",
            subject=f"bytes on the broker for bytes in, {compression}, {kind}",
            headline=f"{done.bytes_out / bytes_in:.2f} x",
            target="",
            holds=True,
            figures={
                "bytes_in": bytes_in,
                "bytes_on_broker": done.bytes_out,
                "us_per_event": round(done.us_per_event, 1),
                "cpu_us_per_event": round(done.cpu_us_per_event, 1),
                "events_per_s": round(1e6 / done.us_per_event),
                "events": events,
            },
        )

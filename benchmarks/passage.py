"""One worker process carries all records of a topic to another; its pace is taken from outside, by the offsets."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.topics import Watcher, create_topics, delete_topics, topic_bytes

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Mapping

    from benchmarks.topics import Job

Kind = Literal["copy", "enricher", "native", "stand-in", "large-copy"]

LOOK_EVERY_S = 0.02
CPU_TICK_S = 0.01
WARM_SHARE = 0.1
"""The share of the events that is not counted: starting, joining the group, the first fetches."""
SILENCE_S = 60.0
STOP_TIMEOUT_S = 30.0


class WorkerFailedError(RuntimeError):
    """A worker ended by itself, or moved nothing for a minute."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What one worker did, by the clock and by its own CPU time, after the warm share."""

    us_per_event: float
    cpu_us_per_event: float
    bytes_out: int
    """Of the output topic on the broker's disk; 0 where that cannot be seen."""


async def passage(
    kind: Kind, job: Job, variables: Mapping[str, str], *, events: int, data: Path | None = None
) -> Passage:
    """Carry the `events` records that the job's raw topic holds, with a new process into new output topics.

    variables: what `deploy` gave.  data: the broker's data folder.  Raises WorkerFailedError.
    """
    outputs = [job.encrypted, job.dead_letter]
    await create_topics(job.bootstrap, outputs)
    try:
        async with running(kind, job, variables) as worker, Watcher(job.bootstrap, job.encrypted) as watcher:
            first = await reached(watcher, worker, int(events * WARM_SHARE))
            last = await reached(watcher, worker, events)
        size = 0 if data is None else topic_bytes(data, job.encrypted)
    finally:
        await delete_topics(job.bootstrap, outputs)
    # With few events all may be there at the first look, or within one tick of the CPU's clock.
    counted = max(last.events - first.events, 1)
    return Passage(
        us_per_event=max(last.at_s - first.at_s, LOOK_EVERY_S) / counted * 1e6,
        cpu_us_per_event=max(last.cpu_s - first.cpu_s, CPU_TICK_S) / counted * 1e6,
        bytes_out=size,
    )


@asynccontextmanager
async def running(kind: Kind, job: Job, variables: Mapping[str, str]) -> AsyncIterator[Process]:
    """Run a worker process; ends it with SIGTERM.  Raises WorkerFailedError: that did not end it well."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    with tempfile.TemporaryDirectory(prefix="aegis-bench-") as state:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.worker", kind, job.to_json()),
            env={**inherited, **variables, "AEGIS_STATE_DIR": state},
        )
        try:
            yield worker
            if worker.returncode is None:
                worker.terminate()
            code = await asyncio.wait_for(worker.wait(), STOP_TIMEOUT_S)
        finally:
            if worker.returncode is None:
                worker.kill()
                await worker.wait()
    if code != 0:
        raise WorkerFailedError(f"the {kind} worker ended with {code}")


@dataclass(frozen=True, slots=True)
class Reached:
    """A moment: how many events were out, when, and what CPU time the worker had used."""

    events: int
    at_s: float
    cpu_s: float


async def reached(watcher: Watcher, worker: Process, events: int) -> Reached:
    """Return the moment when at least `events` records were in the output topic.

    Raises WorkerFailedError: the worker ended, or nothing moved for a minute.
    """
    seen, moved_s = -1, time.monotonic()
    while True:
        count = await watcher.count()
        now = time.monotonic()
        if count >= events:
            return Reached(count, now, cpu_s(worker.pid))
        if count > seen:
            seen, moved_s = count, now
        if worker.returncode is not None or now - moved_s > SILENCE_S:
            raise WorkerFailedError(f"the worker stopped at {count:,} of {events:,} events ({worker.returncode})")
        await asyncio.sleep(LOOK_EVERY_S)


def cpu_s(pid: int) -> float:
    """Return the CPU time of a process in seconds, 0 where the system does not tell."""
    stat = Path("/proc") / str(pid) / "stat"
    if not stat.exists():
        return 0.0
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

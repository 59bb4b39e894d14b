"""A whole deployment while its keys rotate.

Two enrichers and the rotation agent as processes, a steady stream of events, two readers with a group each, and an
operator who gives commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from aegis_stream.client.command_client import CommandClient
from aegis_stream.client.reading import open_consumer
from aegis_stream.control import Outcome
from aegis_stream.settings import load_settings
from aegis_stream.wire import b64encode
from benchmarks.passage import WorkerFailedError
from benchmarks.rotation_keys import DEPLOYMENT, Keys, Records
from benchmarks.topics import create_topics, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aegis_stream.client.received import RefusedRecord
    from aegis_stream.control import Result

READERS = 2
PARTITIONS = 4
WAIT_S = 60.0


@dataclass
class Traffic:
    """What was sent and seen, by the number of the event; times are those of one monotonic clock, seconds.

    acknowledged: when the raw topic had it.  seen: for each reader, when, and under which n of DEK.  refused: reasons.
    steady_from: the first event that was sent after everything had started; those before had to wait for that.
    """

    acknowledged: dict[int, float] = field(default_factory=dict)
    seen: list[dict[int, tuple[float, int]]] = field(default_factory=lambda: [{} for _ in range(READERS)])
    repeats: int = 0
    steady_from: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> int:
        """How many acknowledged events some reader has not seen."""
        return sum(len(self.acknowledged.keys() - seen.keys()) for seen in self.seen)

    def latest_s(self) -> float:
        """Return the longest time from the acknowledgement of an event to a reader that has it."""
        return max(
            when - self.acknowledged.get(number, when)
            for seen in self.seen
            for number, (when, _) in seen.items()
            if number >= self.steady_from
        )

    def first_under(self, n: int) -> float:
        """Return when the first event under DEK n, of which there is one, was in a reader's hands."""
        return min(when for seen in self.seen for when, under in seen.values() if under == n)

    def last_below(self, n: int, *, after: float) -> float:
        """Return when the last event under a DEK older than n was, at least `after`."""
        return max((when for seen in self.seen for when, under in seen.values() if under < n), default=after)


@dataclass(frozen=True)
class Rotated:
    """One rotation: when the command was acknowledged, and the n of the DEK that it made active."""

    kind: str
    acknowledged: float
    n: int


class RotatingDeployment:
    """An async context manager; entered, events flow and commands may be given."""

    def __init__(self, bootstrap: str, folder: Path, *, per_second: float) -> None:
        """Connect nothing.  `folder` takes state files and logs."""
        self.traffic = Traffic()
        self.rotated: list[Rotated] = []
        self.keys = Keys()
        self._bootstrap = bootstrap
        self._folder = folder
        self._pause_s = 1 / per_second
        self._raw, self._encrypted, self._dead, self._control = map(unique, ("raw", "encrypted", "dead", "control"))
        self._group = unique("enrichers")
        self._settings = load_settings(
            broker=bootstrap,
            deployment=DEPLOYMENT,
            topic_raw=self._raw,
            topic_encrypted=self._encrypted,
            topic_dead_letter=self._dead,
            topic_control=self._control,
            agent_public_keys=(self.keys.agent.public,),
            state_dir=folder / "readers",
        )
        self._stack = contextlib.AsyncExitStack()
        self._sending = True
        self._tasks: list[asyncio.Task[None]] = []
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        """Start everything and wait until events come through."""
        async with contextlib.AsyncExitStack() as stack:
            await create_topics(self._bootstrap, [self._raw, self._encrypted, self._dead], partitions=PARTITIONS)
            await create_topics(self._bootstrap, [self._control], partitions=1, settings={"cleanup.policy": "compact"})
            self._producer = await stack.enter_async_context(
                AIOKafkaProducer(bootstrap_servers=self._bootstrap, enable_idempotence=True)
            )
            await self._write(list(self.keys.first().writes))
            stack.push_async_callback(self._end_processes)
            await self._start("rotator", {"AEGIS_AGENT_SIGNING_KEY": b64encode(self.keys.agent.export())})
            for number, session in enumerate(self.keys.sessions):
                key = {"AEGIS_SESSION_SIGNING_KEY": b64encode(session.export_seed())}
                await self._start("enricher", key, name=f"enricher-{number}")
            self._operator = await stack.enter_async_context(CommandClient(self._settings))
            stack.push_async_callback(self._end_tasks)
            self._tasks = [asyncio.create_task(self._send())]
            self._tasks += [asyncio.create_task(self._read(number)) for number in range(READERS)]
            await self._until_steady()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self._stack.aclose()

    async def rotate_dek(self) -> None:
        """Rotate by command, and wait until events under the new DEK come."""
        await self._carry_out("rotate-dek", *self.keys.rotate_dek())

    async def rotate_kek(self) -> None:
        """Wrap every DEK under the next KEK and put that in force."""
        client = self._operator
        await self._carry_out("rotate-kek", *self.keys.rotate_kek(client.manifest, client.records))

    async def emergency(self) -> None:
        """Replace the Risk Lead's key, rotate, and revoke the first DEK, in one command."""
        await self._carry_out("emergency-rotate", *self.keys.emergency(self._operator.manifest))

    async def drain(self) -> None:
        """Stop sending, and wait until every reader has everything, or for a minute."""
        self._sending = False
        with contextlib.suppress(WorkerFailedError):
            await self._until(lambda: self._tasks[0].done() and not self.traffic.lost)

    async def _carry_out(self, kind: str, command_id: str, records: Records) -> None:
        await self._write(records)
        acknowledged = time.monotonic()
        standing = await self._operator.follow(command_id, timeout_s=WAIT_S)
        result: Result | None = None if standing is None else standing.result
        if result is None or result.outcome is not Outcome.EXECUTED:
            raise WorkerFailedError(f"{kind} was not executed: {'no answer' if result is None else result.message}")
        if result.active_version is not None:
            n = result.active_version.n
            self.rotated.append(Rotated(kind, acknowledged, n))
            await self._until(lambda: all(any(under == n for _, under in seen.values()) for seen in self.traffic.seen))

    async def _send(self) -> None:
        """Send events at a steady pace, whatever happens."""
        number, due = 0, time.monotonic()
        sent: asyncio.Future[object] | None = None
        while self._sending:
            event = {"number": number, "actor_id": f"person {number}", "decision_rationale": "it was due"}
            sent = await self._producer.send(self._raw, orjson.dumps(event), partition=number % PARTITIONS)
            sent.add_done_callback(partial(self._note_sent, number))
            number += 1
            due += self._pause_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        if sent is not None:
            await self._producer.flush()

    def _note_sent(self, number: int, _: object) -> None:
        self.traffic.acknowledged[number] = time.monotonic()

    async def _read(self, number: int) -> None:
        async def note_refused(record: RefusedRecord) -> None:
            self.traffic.refused[record.reason.value] += 1

        keks = [self.keys.kek, self.keys.next_kek]
        seen = self.traffic.seen[number]
        async with open_consumer(
            self._settings, keks=keks, group=unique(f"reader-{number}"), on_refused=note_refused
        ) as consumer:
            async for received in consumer:
                self.traffic.repeats += received.event["number"] in seen
                n = int(received.dek_version.split("-")[1].removeprefix("v"))
                seen.setdefault(received.event["number"], (time.monotonic(), n))

    async def _write(self, records: Records) -> None:
        sent = [
            await self._producer.send(self._control, value, key=key.encode(), partition=0) for key, value in records
        ]
        await asyncio.gather(*sent)

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Poll until something holds.  Raises WorkerFailedError: not within a minute, or a part of this has ended."""
        deadline = time.monotonic() + WAIT_S
        while not reached():
            ended = [name for name, process in self._processes.items() if process.returncode is not None]
            failed = [task for task in self._tasks if task.done() and task.exception() is not None]
            if failed:
                failed[0].result()
            if ended or time.monotonic() > deadline:
                raise WorkerFailedError(f"{ended or 'events do'} not pass any more; see the logs in {self._folder}")
            await asyncio.sleep(0.01)

    async def _until_steady(self) -> None:
        """Wait until both enrichers have their partitions and the readers have caught up."""
        await self._until(lambda: all(self.traffic.seen))
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        await admin.start()
        try:
            while await _members(admin, self._group) < len(self.keys.sessions):  # noqa: ASYNC110 - Kafka tells only when asked
                await asyncio.sleep(0.05)
        finally:
            await admin.close()
        self.traffic.steady_from = len(self.traffic.acknowledged)
        await self._until(lambda: all(max(seen) >= self.traffic.steady_from for seen in self.traffic.seen))
        self.traffic.steady_from = len(self.traffic.acknowledged)

    async def _start(self, kind: str, variables: Mapping[str, str], *, name: str = "") -> None:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AEGIS_")}
        name = name or kind
        with (self._folder / f"{name}.log").open("ab") as log:
            self._processes[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "aegis_stream", "run", kind),
                env={
                    **inherited,
                    "AEGIS_BROKER": self._bootstrap,
                    "AEGIS_DEPLOYMENT": DEPLOYMENT,
                    "AEGIS_TOPIC_RAW": self._raw,
                    "AEGIS_TOPIC_ENCRYPTED": self._encrypted,
                    "AEGIS_TOPIC_DEAD_LETTER": self._dead,
                    "AEGIS_TOPIC_CONTROL": self._control,
                    "AEGIS_APPLICATION_ID": self._group,
                    "AEGIS_AGENT_PUBLIC_KEY": b64encode(self.keys.agent.public),
                    "AEGIS_STATE_DIR": str(self._folder / name),
                    "AEGIS_WEB_PORT": "off",
                    "AEGIS_ROTATION_INTERVAL": "off",
                    **variables,
                },
                stdout=log,
                stderr=log,
            )

    async def _end_tasks(self) -> None:
        self._sending = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end_processes(self) -> None:
        """End the processes; what does not end well is an error."""
        for process in self._processes.values():
            if process.returncode is None:
                process.terminate()
        codes = {}
        for name, process in self._processes.items():
            try:
                codes[name] = await asyncio.wait_for(process.wait(), WAIT_S)
            except TimeoutError:
                process.kill()
                codes[name] = await process.wait()
        if any(codes.values()):
            raise WorkerFailedError(f"ended with {codes}; see the logs in {self._folder}")


async def _members(admin: AIOKafkaAdminClient, group: str) -> int:
    """Return how many members a consumer group has, 0 while it is not stable."""
    (answer,) = await admin.describe_consumer_groups([group])
    (_, _, state, _, _, members, *_) = answer.groups[0]
    return len(members) if state == "Stable" else 0

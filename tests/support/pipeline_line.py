"""A pipeline between doubles that note what it does, and a broker that answers when it is told to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, cast

from topologies.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from faust.types import TP

    from topologies.list_protector import ListProtector, Outputs
    from topologies.record_list import RecordList
    from topologies.writer import Writer


WRITER = cast("Writer", ("dek-v1-20260101", None, None))


@dataclass
class Work:
    """Stands for the outputs of a list: one batch, named after it, and one dead letter where `poison` is set."""

    batches: list[str]
    dead_letters: list[str]


class Protecting:
    """Names batches after their lists; fails on a list that holds `b"die"`."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.seen: list[str] = []

    def protect(self, work: RecordList, writer: Writer) -> Work:
        """Return the work of a list."""
        assert writer is WRITER
        name = f"{work.partition.partition}:{work.records[0].offset}"
        self.seen.append(name)
        values = [record.value for record in work.records]
        if b"die" in values:
            raise ValueError("die")
        return Work([name], [f"dead {name}"] if b"poison" in values else [])


@dataclass
class Broker:
    """Acknowledges when told; records what was sent and committed, in order."""

    acknowledge: bool = True
    accept: bool = True
    sent: list[str] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    commits: list[dict[int, int]] = field(default_factory=list)

    async def send(self, batch: object, partition: int) -> Awaitable[object]:
        """Take a batch."""
        del partition
        name = str(batch)
        self.sent.append(name)
        self.waiting[name] = asyncio.get_running_loop().create_future()
        if self.acknowledge:
            self.waiting[name].set_result(None)
        return self.waiting[name]

    async def send_dead_letters(self, batch: object, partition: int) -> Awaitable[object]:
        """Take a batch of dead letters."""
        return await self.send(batch, partition)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Note what is committed."""
        await asyncio.sleep(0)
        self.commits.append({place.partition: offset for place, offset in offsets.items()})
        return self.accept

    @property
    def committed(self) -> dict[int, int]:
        """The last committed offset of each partition."""
        return {partition: offset for commit in self.commits for partition, offset in commit.items()}


class Keys:
    """A writer that is there, or not."""

    def __init__(self) -> None:
        """Begin usable."""
        self.usable = asyncio.Event()
        self.usable.set()

    def current(self) -> Writer | None:
        """Return it."""
        return WRITER if self.usable.is_set() else None

    async def wait_usable(self) -> None:
        """Wait for it."""
        await self.usable.wait()


class Nobody:
    """Watches nothing."""

    def protected(self, outputs: Outputs, writer: Writer) -> None:
        """Hear of a list."""

    def committed(self, *, accepted: bool) -> None:
        """Hear of a commit."""


class Died(Exception):  # noqa: N818 - the end of the process
    """What stands for the end of the process."""


@dataclass
class Line:
    """A running pipeline with all that is around it."""

    pipeline: Pipeline
    broker: Broker
    keys: Keys
    protecting: Protecting
    lists: asyncio.Queue[RecordList]
    deaths: list[tuple[str, str]]

    async def until(self, reached: object) -> None:
        """Wait until `reached()` is true."""
        async with asyncio.timeout(5):
            while not reached():  # type: ignore[operator]  # noqa: ASYNC110 - any question
                await asyncio.sleep(0.001)


@asynccontextmanager
async def running(*, acknowledge: bool = True, accept: bool = True) -> AsyncIterator[Line]:
    """Run a pipeline over stand-ins for its neighbours."""
    lists: asyncio.Queue[RecordList] = asyncio.Queue()
    deaths: list[tuple[str, str]] = []

    def died(stage: str, error: BaseException) -> NoReturn:
        deaths.append((stage, type(error).__name__))
        raise Died

    async def stream() -> AsyncIterator[RecordList]:
        while True:
            yield await lists.get()

    line = Line(
        pipeline=cast("Pipeline", None),
        broker=Broker(acknowledge=acknowledge, accept=accept),
        keys=Keys(),
        protecting=Protecting(),
        lists=lists,
        deaths=deaths,
    )
    line.pipeline = Pipeline(
        protector=cast("ListProtector", line.protecting),
        writers=line.keys,
        broker=line.broker,
        observer=Nobody(),
        on_unexpected=died,
    )
    task = asyncio.create_task(line.pipeline.run(stream()))
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()

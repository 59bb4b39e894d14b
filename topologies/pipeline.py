"""Three stages with bounded queues between them: protect in a thread, send, await acknowledgements and commit.

What holds at every moment:
- lists of one partition pass every stage in the order of their offsets;
- an offset is committed only after the broker acknowledged all outputs and dead letters up to it;
- a list of an ended generation is dropped before it is protected, or finished and committed before its partition is
  given up (`drain`), never half of either;
- whatever is unexpected ends the process before the next commit.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Protocol

from topologies.death import die

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Mapping
    from typing import NoReturn

    from aiokafka.producer.message_accumulator import BatchBuilder
    from faust.types import TP

    from topologies.list_protector import ListProtector, Outputs
    from topologies.record_list import RecordList
    from topologies.writer import Writer

SENDING_LISTS = 2
"""Protected lists that may wait to be sent."""

ACKNOWLEDGING_LISTS = 16
"""Sent lists that may wait for the broker."""

COMMIT_PAUSE_S = 0.05
"""Commits follow each other at least so far apart: one commit serves all lists acknowledged meanwhile."""


class Writers(Protocol):
    """Where the pipeline gets the encryptor of the moment from."""

    def current(self) -> Writer | None:
        """Return the writer of the active DEK, None while nothing may be passed."""
        ...

    async def wait_usable(self) -> None:
        """Return once `current` may have a writer again."""
        ...


class Broker(Protocol):
    """What the pipeline does with Kafka."""

    async def send(self, batch: BatchBuilder, partition: int) -> Awaitable[object]:
        """Send to the encrypted topic; what is returned resolves once the broker has it, or raises."""
        ...

    async def send_dead_letters(self, batch: BatchBuilder, partition: int) -> Awaitable[object]:
        """Send to the dead-letter topic, likewise."""
        ...

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False where the group has moved on, so that another will do these records again."""
        ...


class Observer(Protocol):
    """What is told about finished work."""

    def protected(self, outputs: Outputs, writer: Writer) -> None:
        """Learn that the outputs of a list are ready to be sent."""
        ...

    def committed(self, *, accepted: bool) -> None:
        """Learn that a commit was answered."""
        ...


class _Sent(NamedTuple):
    work: RecordList
    acknowledgements: list[Awaitable[object]]


class Pipeline:
    """Carries record lists from the consumer to the broker and commits them."""

    def __init__(
        self,
        *,
        protector: ListProtector,
        writers: Writers,
        broker: Broker,
        observer: Observer,
        on_unexpected: Callable[[str, BaseException], NoReturn] = die,
    ) -> None:
        """Start nothing; `run` does."""
        self._protector = protector
        self._writers = writers
        self._broker = broker
        self._observer = observer
        self._on_unexpected = on_unexpected
        self._closed_generation = 0
        self._closing = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._to_send: asyncio.Queue[tuple[RecordList, Outputs]] = asyncio.Queue(SENDING_LISTS)
        self._to_commit: asyncio.Queue[_Sent] = asyncio.Queue(ACKNOWLEDGING_LISTS)
        self._offsets: dict[TP, int] = {}
        self._finished = 0
        self._acknowledged = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="protect")

    @property
    def in_flight(self) -> int:
        """Lists that are past the first decision and not yet committed."""
        return self._in_flight

    async def run(self, lists: AsyncIterable[RecordList]) -> None:
        """Carry `lists` until cancelled; ends the process on anything unexpected."""
        stages = [
            asyncio.ensure_future(self._guarded("send", self._send_all())),
            asyncio.ensure_future(self._guarded("acknowledge", self._acknowledge_all())),
            asyncio.ensure_future(self._guarded("commit", self._commit_all())),
        ]
        try:
            await self._guarded("protect", self._protect_all(lists))
        finally:
            for stage in stages:
                stage.cancel()
            self._executor.shutdown(wait=False)

    async def drain(self, generation: int) -> None:
        """End a generation: drop its lists that are not begun, return once those that are have been committed."""
        self._closed_generation = max(self._closed_generation, generation)
        self._closing.set()
        await self._idle.wait()

    async def _guarded(self, stage: str, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing may be committed after it
            self._on_unexpected(stage, error)

    async def _protect_all(self, lists: AsyncIterable[RecordList]) -> None:
        loop = asyncio.get_running_loop()
        async for work in lists:
            writer = await self._writer_for(work)
            if writer is None:
                continue
            self._in_flight += 1
            self._idle.clear()
            outputs = await loop.run_in_executor(self._executor, self._protector.protect, work, writer)
            self._observer.protected(outputs, writer)
            await self._to_send.put((work, outputs))

    async def _writer_for(self, work: RecordList) -> Writer | None:
        """Return the writer once there is one, None where the list's generation ended before."""
        while work.generation > self._closed_generation:
            self._closing.clear()
            writer = self._writers.current()
            if writer is not None:
                return writer
            waiting = {
                asyncio.ensure_future(self._writers.wait_usable()),
                asyncio.ensure_future(self._closing.wait()),
            }
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()
        return None

    async def _send_all(self) -> None:
        while True:
            work, outputs = await self._to_send.get()
            partition = work.partition.partition
            sent = [await self._broker.send(batch, partition) for batch in outputs.batches]
            sent += [await self._broker.send_dead_letters(batch, partition) for batch in outputs.dead_letters]
            await self._to_commit.put(_Sent(work, sent))

    async def _acknowledge_all(self) -> None:
        while True:
            work, acknowledgements = await self._to_commit.get()
            for acknowledgement in acknowledgements:
                await acknowledgement
            self._offsets[work.partition] = work.next_offset
            self._finished += 1
            self._acknowledged.set()

    async def _commit_all(self) -> None:
        while True:
            await self._acknowledged.wait()
            self._acknowledged.clear()
            offsets, self._offsets = self._offsets, {}
            finished, self._finished = self._finished, 0
            accepted = await self._broker.commit(offsets)
            self._observer.committed(accepted=accepted)
            self._in_flight -= finished
            if not self._in_flight:
                self._idle.set()
            elif not self._closing.is_set():
                await asyncio.sleep(COMMIT_PAUSE_S)

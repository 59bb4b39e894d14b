"""The reader: decrypted events of the encrypted topic, each once, or the reason why not."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka import errors as kafka_errors
from aiokafka.structs import OffsetAndMetadata

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.committed_marks import CommittedMarks
from aegis_stream.client.fetching import Fetching
from aegis_stream.client.opening import Opening
from aegis_stream.client.received import EmptyRecord, ReceivedEvent, RefusedRecord
from aegis_stream.client.source_marks import DEFAULT_REWIND_LIMIT, SourceMarks, Verdict
from aegis_stream.client.topics import preflight
from aegis_stream.errors import BrokerError, EventUnreadableError, ReadReason, RecordRefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from aiokafka import ConsumerRecord

    from aegis_stream.encryption import PIIDecryptor

_POLL_MS = 500


class _InHand(NamedTuple):
    """What the caller works on, and the assignment that it came under."""

    event: ReceivedEvent
    epoch: int


_Item: TypeAlias = ReceivedEvent | RefusedRecord | EmptyRecord


class EventConsumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """Iterate over it for the events of one consumer group: `async with … as consumer: async for received in consumer`.

    Each event is delivered once: what an enricher repeated after a restart is dropped by its authenticated source.  An
    event counts as done when the caller asks for the next; done events are committed at least every
    `commit_interval_s`, when partitions move, and at the end.  So a caller that dies sees again the event it was at,
    and those it finished since the last commit (none with an interval of 0).

    A record that must be refused is never passed over in silence.  With `on_refused` the callback gets it, and it is
    done when the callback returns.  Without, RecordRefusedError is raised, and raised again if the caller goes on.
    """

    def __init__(  # noqa: PLR0913 - all by name
        self,
        *,
        connection: Mapping[str, Any],
        topic: str,
        group: str,
        decryptor: PIIDecryptor,
        refresh_keys: Callable[[], Awaitable[None]] | None = None,
        on_refused: Callable[[RefusedRecord], Awaitable[None]] | None = None,
        rewind_limit: int = DEFAULT_REWIND_LIMIT,
        accept_rewind: bool = False,
        control_wait_s: float = 10.0,
        commit_interval_s: float = 1.0,
        handover_s: float = 5.0,
        batch_records: int = 500,
    ) -> None:
        """Read nothing yet; `start` or `async with` does.

        connection: see `connection_kwargs`.  refresh_keys: reads the control topic to its end, asked for once where a
        DEK version is unknown, for at most control_wait_s.  accept_rewind: begin without the marks of the group, once,
        because the raw topic was made anew.  handover_s: how long partitions that move wait for the event in hand.
        """
        self._connection = dict(connection)
        self._topic, self._group = topic, group
        self._opening = Opening(decryptor, refresh_keys=refresh_keys, wait_s=control_wait_s)
        self._on_refused = on_refused
        self._marks = SourceMarks(rewind_limit=rewind_limit)
        self._stored = CommittedMarks(connection=connection, topic=topic, group=group, open_batch=decryptor.open_batch)
        self._accept_rewind = accept_rewind
        self._commit_interval_s, self._handover_s = commit_interval_s, handover_s
        self._fetching = Fetching(timeout_ms=_POLL_MS, max_records=batch_records)
        self._consumer: AIOKafkaConsumer | None = None
        self._fetched: list[ConsumerRecord] = []
        self._queue: deque[_Item] = deque()
        self._without_marks: set[int] = set()
        self._rewinding: set[int] = set()
        self._done: dict[TopicPartition, OffsetAndMetadata] = {}
        self._in_hand: _InHand | None = None
        self._epoch = 0
        self._committed_at = time.monotonic()
        self._idle, self._settled = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._settled.set()
        self.stats: Counter[str] = Counter()

    async def start(self) -> None:
        """Look whether topic and group may be used, and join the group.  Raises BrokerError."""
        await preflight(self._connection, topics=[self._topic], group=self._group)
        consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=self._group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        with our_broker_errors(f"joining group {self._group}"):
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
        consumer.subscribe([self._topic], listener=self)
        self._consumer = consumer

    async def stop(self) -> None:
        """Commit what is done and leave the group; the event in hand is not done."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                await self._commit(consumer)
            finally:
                await consumer.stop()

    async def commit(self) -> None:
        """Say that the event in hand is done, and commit now."""
        self._finish()
        await self._commit(self._running())

    async def __aenter__(self) -> Self:
        """Join the group."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit what is done and leave."""
        await self.stop()

    def __aiter__(self) -> Self:
        """Return itself: all iterations go on where the last one stopped."""
        return self

    async def __anext__(self) -> ReceivedEvent:
        """Finish the event in hand and return the next one; waits for ever if none comes.

        Raises RecordRefusedError, BrokerError, KEKError; after each of them the same record is judged again.
        """
        consumer = self._running()
        self._finish()
        if time.monotonic() - self._committed_at >= self._commit_interval_s:
            await self._commit(consumer)
        while True:
            await self._settled.wait()
            if not self._queue:
                await self._fill(consumer)
                continue
            item = self._judged(self._queue[0])
            if isinstance(item, RefusedRecord):
                await self._refuse(item)
            elif item is not None:
                self._queue.popleft()
                self._in_hand = _InHand(item, self._epoch)
                self._idle.clear()
                self.stats["events"] += 1
                return item

    def _running(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            msg = "this consumer is not started; use `async with`"
            raise RuntimeError(msg)
        return self._consumer

    def _judged(self, item: _Item) -> ReceivedEvent | RefusedRecord | None:
        """Apply the once-only rule to the first of the queue; what is not to be seen is taken off, and None."""
        if isinstance(item, RefusedRecord):
            return item
        if isinstance(item, ReceivedEvent):
            try:
                if self._marks.judge(item.partition, item.source) is Verdict.DELIVER:
                    return item
            except EventUnreadableError as error:
                return item.refused(ReadReason(error.reason), error.path)
        self.stats["repeats" if isinstance(item, ReceivedEvent) else "empty"] += 1
        self._queue.popleft()
        self._count_done(item)
        return None

    async def _refuse(self, refused: RefusedRecord) -> None:
        """Give a refused record to the callback, or raise."""
        if self._on_refused is None:
            place = (refused.topic, refused.partition, refused.offset)
            raise RecordRefusedError(refused.reason, refused.path, dek_version=refused.dek_version, place=place)
        epoch = self._epoch
        await self._on_refused(refused)
        self.stats["refused"] += 1
        if epoch == self._epoch:  # otherwise the partition went to a reader that will judge it again
            self._queue.popleft()
            self._count_done(refused)

    async def _fill(self, consumer: AIOKafkaConsumer) -> None:
        """Fetch and open the next records; what was fetched stays until it could be opened or its partition goes."""
        if not self._fetched:
            with our_broker_errors(f"reading {self._topic}"):
                self._fetched = await self._fetching.fetch(consumer)
        if not self._fetched:
            await self._commit(consumer)
            return
        epoch = self._epoch
        fresh = {record.partition for record in self._fetched} & self._without_marks
        if fresh:
            await self._stored.restore(self._marks, fresh)
        opened = await self._opening.open(self._fetched)
        if epoch == self._epoch:
            self._without_marks -= fresh
            self._queue.extend(opened)
            self._fetched = []

    def _finish(self) -> None:
        """Take the event in hand as done, unless its partition has gone."""
        in_hand, self._in_hand = self._in_hand, None
        self._idle.set()
        if in_hand is not None and in_hand.epoch == self._epoch:
            self._count_done(in_hand.event)

    def _count_done(self, item: _Item) -> None:
        """Note the next offset to commit, with the marks as they are now: they must not run ahead of what is done."""
        place = TopicPartition(item.topic, item.partition)
        self._done[place] = OffsetAndMetadata(item.offset + 1, self._marks.to_text(item.partition))

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what is done; where the group has moved on meanwhile, whoever has the partition now reads it again."""
        self._committed_at = time.monotonic()
        done, self._done = self._done, {}
        if not done:
            return
        with (
            our_broker_errors(f"committing to group {self._group}"),
            suppress(kafka_errors.CommitFailedError, kafka_errors.IllegalStateError),
        ):
            await consumer.commit(done)
            self._rewinding -= {place.partition for place in done}

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Wait a little for the event in hand, commit, and forget everything about these partitions."""
        if not revoked:
            return
        self._settled.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), self._handover_s)
        if self._consumer is not None:
            with suppress(BrokerError):  # what is not committed is read again by the partitions' next reader
                await self._commit(self._consumer)
        self._epoch += 1
        self._queue.clear()
        self._fetched = []
        self._done.clear()
        self._fetching.forget(revoked)
        for place in revoked:
            self._marks.forget(place.partition)
        self._settled.set()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Begin with partitions whose marks are yet to be restored."""
        partitions = {place.partition for place in assigned}
        if self._accept_rewind:
            self._accept_rewind, self._rewinding = False, partitions
        self._without_marks = partitions - self._rewinding

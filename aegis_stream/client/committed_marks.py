"""Where a reader that takes over a partition finds the mark of the one before it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.encryption import Opened
from aegis_stream.errors import BrokerReason, BrokerUnavailableError, EventUnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.client.source_marks import SourceMarks
    from aegis_stream.encryption import Unreadable

LOOKBACK_RECORDS = 500
_WAIT_S = 30.0


class CommittedMarks:
    """Restores SourceMarks from what a consumer group committed.

    The marks stand in the metadata of the committed offset.  Where they do not (a tool set the offset), the 500 records
    before the offset are opened and judged in order; where those are gone, the first verified event begins a mark.
    """

    def __init__(
        self,
        *,
        connection: Mapping[str, Any],
        topic: str,
        group: str,
        open_batch: Callable[[Sequence[bytes]], Sequence[Opened | Unreadable]],
    ) -> None:
        """Take the client arguments, and what opens records (called in a thread)."""
        self._connection = dict(connection)
        self._topic = topic
        self._group = group
        self._open_batch = open_batch

    async def restore(self, marks: SourceMarks, partitions: set[int]) -> None:
        """Set the marks of these partitions of the encrypted topic.

        Raises BrokerError; BrokerUnavailableError (timeout) where the broker does not answer within 30 s.
        """
        wanted = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
        timed_out = False
        try:
            async with asyncio.timeout(_WAIT_S):
                for place, (offset, metadata) in (await self._committed(wanted)).items():
                    if offset > 0 and not marks.restore(place.partition, metadata):
                        await self._look_back(marks, place, offset)
        except TimeoutError:
            timed_out = True
        if timed_out:
            raise BrokerUnavailableError(
                BrokerReason.TIMEOUT,
                f"reading the committed offsets of group {self._group}: no answer within {_WAIT_S:.0f} s",
                remedy="check that the group and the encrypted topic may be read",
            )

    async def _committed(self, wanted: list[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        with our_broker_errors(f"reading the committed offsets of group {self._group}"):
            admin = AIOKafkaAdminClient(**self._connection)
            await admin.start()
            try:
                found = await admin.list_consumer_group_offsets(self._group, partitions=wanted)
            finally:
                await admin.close()
        return {place: (entry.offset, entry.metadata or "") for place, entry in found.items()}

    async def _look_back(self, marks: SourceMarks, place: TopicPartition, offset: int) -> None:
        """Judge the records before a committed offset as the reader before us did."""
        with our_broker_errors(f"reading {place.topic}/{place.partition} before its committed offset"):
            consumer = AIOKafkaConsumer(**self._connection, group_id=None, enable_auto_commit=False)
            await consumer.start()
            try:
                values = await self._values_before(consumer, place, offset)
            finally:
                await consumer.stop()
        await self._judge(marks, place.partition, values)

    async def _judge(self, marks: SourceMarks, partition: int, values: list[bytes]) -> None:
        for result in await asyncio.to_thread(self._open_batch, values):
            if not isinstance(result, Opened):
                continue
            try:
                marks.judge(partition, result.source)
            except EventUnreadableError:  # a topic made anew, accepted then: the mark begins again here
                marks.accept_rewind(partition)
                marks.judge(partition, result.source)

    async def _values_before(self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> list[bytes]:
        consumer.assign([place])
        beginning = (await consumer.beginning_offsets([place]))[place]
        end = min(offset, (await consumer.end_offsets([place]))[place])
        start = max(beginning, end - LOOKBACK_RECORDS)
        if start >= end:
            return []
        consumer.seek(place, start)
        values: list[bytes] = []
        while await consumer.position(place) < end:
            fetched = await consumer.getmany(place, timeout_ms=1_000)
            values += [record.value for record in fetched.get(place, []) if record.offset < end and record.value]
        return values

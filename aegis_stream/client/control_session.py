"""One connection of a follower to the control topic: two Kafka consumers without a group.

The first reads.  The second only asks for the end of the topic: a broker answers the requests of one connection in
turn, so on the first that question would wait behind the long poll, for half a second instead of 2 ms.
Every wait is bounded: aiokafka waits for ever where a topic is missing or refused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.lenient_fetch import fetch_leniently
from aegis_stream.client.stall import StallWatch
from aegis_stream.client.topics import preflight
from aegis_stream.errors import BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from aiokafka import ConsumerRecord

T = TypeVar("T")

REQUEST_S = 30.0
POLL_MS = 1_000
MAX_RECORDS = 500


class ControlRecord(NamedTuple):
    """A record of the control topic; `key` is None where it is absent or not UTF-8."""

    key: str | None
    value: bytes | None
    offset: int


class ControlSession:
    """An open connection; use `ControlSession.open(…)`."""

    def __init__(self, reader: AIOKafkaConsumer, prober: AIOKafkaConsumer, partition: TopicPartition) -> None:
        """Hold two started consumers; `position` is where `read_to` stands."""
        self._reader = reader
        self._prober = prober
        self._partition = partition
        self.position = 0

    @classmethod
    async def open(
        cls, connection: Mapping[str, Any], topic: str, *, position: int | None, unfit: bool = False
    ) -> Self:
        """Look whether the topic is fit, connect, and stand at `position`, or at the beginning without one.

        unfit: it may have more partitions; the first one is read, in which everything genuine stands.

        Raises BrokerError: the topic is missing, refused or has not one partition; BrokerUnavailableError.
        """
        await preflight(connection, control=None if unfit else topic, topics=[topic])
        partition = TopicPartition(topic, 0)
        session = cls(_consumer(connection), _consumer(connection), partition)
        try:
            with our_broker_errors(f"connecting to {topic}"):
                await bounded(session._reader.start(), f"connecting to {topic}")
                await bounded(session._prober.start(), f"connecting to {topic}")
                session._reader.assign([partition])
                if position is None:
                    await session.rewind()
                else:
                    session._reader.seek(partition, position)
        except BaseException:
            await session.close()
            raise
        return session

    async def rewind(self) -> None:
        """Stand at the beginning."""
        await bounded(self._reader.seek_to_beginning(self._partition), f"reading {self._partition.topic}")

    async def end(self) -> int:
        """Return the offset behind the last record that is committed by now."""
        doing = f"asking for the end of {self._partition.topic}"
        with our_broker_errors(doing):
            ends = await bounded(self._prober.end_offsets([self._partition]), doing)
        return int(ends[self._partition])

    async def beginning(self) -> int:
        """Return the offset of the first record that the topic still holds: above 0 where records were deleted."""
        doing = f"asking for the beginning of {self._partition.topic}"
        with our_broker_errors(doing):
            beginnings = await bounded(self._prober.beginning_offsets([self._partition]), doing)
        return int(beginnings[self._partition])

    async def read(self) -> tuple[list[ControlRecord], int]:
        """Wait up to a second for records; return them, and the position behind them and behind all gaps."""
        doing = f"reading {self._partition.topic}"
        with our_broker_errors(doing):
            found = await bounded(self._fetch(), doing)
            position = await bounded(self._reader.position(self._partition), doing)
        records = [ControlRecord(_text(record.key), record.value, record.offset) for record in found]
        return records, int(position)

    async def read_to(self, end: int) -> AsyncIterator[list[ControlRecord]]:
        """Yield records from the beginning on, until `position` is at `end` or behind it.

        Raises BrokerUnavailableError, also where nothing comes for half a minute.
        """
        watch = StallWatch(f"reading {self._partition.topic}")
        self.position = 0
        while self.position < end:
            since = asyncio.get_running_loop().time()
            records, self.position = await self.read()
            watch.note(self.position, since=since)
            yield records

    async def _fetch(self) -> list[ConsumerRecord]:
        unreadable = False
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        try:
            batches = await self._reader.getmany(self._partition, timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        except UnicodeDecodeError:
            unreadable = True
        return await fetch_leniently(self._reader, self._partition) if unreadable else batches.get(self._partition, [])

    async def close(self) -> None:
        """Leave; never raises, for what is left is closed by the broker."""
        await asyncio.gather(self._reader.stop(), self._prober.stop(), return_exceptions=True)


def _consumer(connection: Mapping[str, Any]) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **connection,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",  # an aborted manifest has a good signature
    )


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None


async def bounded(awaitable: Awaitable[T], doing: str) -> T:
    """Await something of aiokafka's for at most 30 s.  Raises BrokerUnavailableError(TIMEOUT)."""
    try:
        async with asyncio.timeout(REQUEST_S):
            return await awaitable
    except TimeoutError:
        pass
    raise BrokerUnavailableError(
        BrokerReason.TIMEOUT, f"{doing}: no answer within {REQUEST_S:g} s", remedy="look whether the broker is healthy"
    )

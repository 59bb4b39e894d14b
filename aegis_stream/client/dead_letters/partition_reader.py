"""Read one partition at a time between two offsets, in no group, whatever the names of headers are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.lenient_fetch import fetch_leniently
from aegis_stream.errors import BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType

    from aiokafka import ConsumerRecord

STALLED_S = 30.0
_POLL_MS = 500
_FETCH_WAIT_MS = 20
"""How long the broker may hold back a fetch: it answers one connection's requests in turn, so questions wait behind."""


class PartitionReader:
    """An async context manager over one consumer.

    Read "uncommitted", it sees whatever stands in the log, also behind an open transaction of somebody else.
    """

    def __init__(
        self,
        connection: Mapping[str, Any],
        *,
        isolation: Literal["committed", "uncommitted"] = "committed",
        max_records: int = 500,
    ) -> None:
        """Connect nothing yet."""
        self._max_records = max_records
        self._consumer = AIOKafkaConsumer(
            **connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            isolation_level=f"read_{isolation}",
        )

    async def __aenter__(self) -> Self:
        """Connect.  Raises BrokerUnavailableError."""
        doing = "reaching the broker"
        try:
            with our_broker_errors(doing):
                await bounded(self._consumer.start(), doing)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that is still held, and the one behind the last.  Raises BrokerError."""
        place, doing = TopicPartition(topic, partition), f"asking for the bounds of {topic}/{partition}"
        with our_broker_errors(doing):
            begins = await bounded(self._consumer.beginning_offsets([place]), doing)
            ends = await bounded(self._consumer.end_offsets([place]), doing)
        return int(begins[place]), int(ends[place])

    async def read(self, topic: str, partition: int, begin: int, end: int) -> AsyncIterator[list[ConsumerRecord]]:
        """Yield the records from `begin` on and before `end`, in their order; neither needs to be there.

        Raises BrokerError; BrokerUnavailableError where nothing comes for 30 s.
        """
        place, doing = TopicPartition(topic, partition), f"reading {topic}/{partition}"
        self._consumer.assign([place])
        self._consumer.seek(place, begin)
        position, moved_at = begin, asyncio.get_running_loop().time()
        while position < end:
            with our_broker_errors(doing):
                records = await bounded(self._fetch(place), doing)
                reached = int(await bounded(self._consumer.position(place), doing))
            if reached > position:
                position, moved_at = reached, asyncio.get_running_loop().time()
            elif asyncio.get_running_loop().time() - moved_at > STALLED_S:
                raise BrokerUnavailableError(
                    BrokerReason.TIMEOUT, f"{doing}: nothing for {STALLED_S:g} s", remedy="look whether it is healthy"
                )
            wanted = [record for record in records if record.offset < end]
            if wanted:
                yield wanted
        self._consumer.pause(place)  # or it would go on fetching

    async def _fetch(self, place: TopicPartition) -> list[ConsumerRecord]:
        with suppress(UnicodeDecodeError):
            found = await self._consumer.getmany(place, timeout_ms=_POLL_MS, max_records=self._max_records)
            return list(found.get(place, []))
        return await fetch_leniently(self._consumer, place)

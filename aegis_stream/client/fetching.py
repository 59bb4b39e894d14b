"""Fetches for a group's reader, also past records whose headers have names that are not UTF-8.

One such record makes aiokafka fail at every attempt, after it has let go what it had of other partitions.  Then these
are read again from where the last fetch ended, one partition at a time.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aiokafka.errors import IllegalStateError

from aegis_stream.client.lenient_fetch import fetch_leniently

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition


class Fetching:
    """Knows where the last fetch of each partition ended."""

    def __init__(self, *, timeout_ms: int, max_records: int) -> None:
        """Wait at most timeout_ms for records, and take at most max_records of them."""
        self._timeout_ms, self._max_records = timeout_ms, max_records
        self._ends: dict[TopicPartition, int] = {}

    def begin(self, place: TopicPartition, offset: int) -> None:
        """Say where a reader without a group stands, for there is no committed offset to ask for."""
        self._ends[place] = offset

    def forget(self, places: Iterable[TopicPartition]) -> None:
        """Forget partitions that have gone to another reader."""
        for place in places:
            self._ends.pop(place, None)

    async def fetch(self, consumer: AIOKafkaConsumer) -> list[ConsumerRecord]:
        """Return the next records, those of a partition in order.  Raises KafkaError."""
        fetched: dict[TopicPartition, list[ConsumerRecord]] | None = None
        with suppress(UnicodeDecodeError):
            fetched = await consumer.getmany(timeout_ms=self._timeout_ms, max_records=self._max_records)
        if fetched is None:
            fetched = await self._one_by_one(consumer)
        for place, records in fetched.items():
            if records:
                self._ends[place] = records[-1].offset + 1
        return [record for records in fetched.values() for record in records]

    async def _one_by_one(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Begin where the last fetch ended; where the group is moving, with nothing: it begins anew by itself."""
        fetched: dict[TopicPartition, list[ConsumerRecord]] = {}
        places = sorted(consumer.assignment())
        try:
            for place in places:
                end = self._ends.get(place)
                begin = await consumer.committed(place) if end is None else end
                if begin is None:
                    await consumer.seek_to_beginning(place)
                else:
                    consumer.seek(place, begin)
            for place in places:
                fetched[place] = await self._of_one(consumer, place)
        except IllegalStateError:
            return {}
        return fetched

    async def _of_one(self, consumer: AIOKafkaConsumer, place: TopicPartition) -> list[ConsumerRecord]:
        with suppress(UnicodeDecodeError):
            found = await consumer.getmany(place, timeout_ms=self._timeout_ms, max_records=self._max_records)
            return list(found.get(place, []))
        return await fetch_leniently(consumer, place)

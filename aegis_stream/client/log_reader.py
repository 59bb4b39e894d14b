"""Read the records of a topic between offsets, in no consumer group and without leaving a trace.

Records whose headers have names that are not UTF-8 are read as well; the names then hold replacement characters.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.lenient_fetch import fetch_leniently
from aegis_stream.client.spans import Bound, Span, clip
from aegis_stream.client.stall import StallWatch
from aegis_stream.client.topics import preflight

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from aiokafka import ConsumerRecord

_POLL_MS = 500


class LogReader:
    """An async context manager; ask `available` or `spans`, then `begin`, then `fetch` until `finished`."""

    def __init__(
        self, connection: Mapping[str, Any], topic: str, *, max_records: int = 500, committed: bool = True
    ) -> None:
        """Connect nothing yet; at most `max_records` come with one fetch.

        committed: without records of transactions that are open or were aborted.
        """
        self.topic = topic
        self._isolation = "read_committed" if committed else "read_uncommitted"
        self._connection = dict(connection)
        self._max_records = max_records
        self._doing = f"reading {topic}"
        self._watch = StallWatch(self._doing)
        self._partitions = 0
        self._ends: dict[TopicPartition, int] = {}
        self.positions: dict[int, int] = {}
        """Where the next fetch goes on, by partition: behind every gap that was met."""

    async def __aenter__(self) -> Self:
        """Connect.  Raises BrokerError: the topic is missing or refused; BrokerUnavailableError."""
        self._partitions = (await preflight(self._connection, topics=[self.topic]))[self.topic]
        self._consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level=self._isolation,
        )
        try:
            with our_broker_errors(self._doing):
                await bounded(self._consumer.start(), self._doing)
        except BaseException:
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def available(self) -> dict[int, Span]:
        """Return what each partition holds now; of the records at its end those that are read.  Raises BrokerError."""
        places = [TopicPartition(self.topic, number) for number in range(self._partitions)]
        with our_broker_errors(self._doing):
            begins = await bounded(self._consumer.beginning_offsets(places), self._doing)
            ends = await bounded(self._consumer.end_offsets(places), self._doing)
        return {place.partition: Span(int(begins[place]), int(ends[place])) for place in places}

    async def spans(self, *, since: Bound, until: Bound) -> dict[int, Span]:
        """Return what lies between two bounds.  Raises ConfigurationError, BrokerError."""
        held = await self.available()
        begin, end = await self._offsets(since, held), await self._offsets(until, held)
        return clip(available=held, begin=begin, end=end)

    async def begin(self, spans: Mapping[int, Span]) -> None:
        """Stand at the beginning of every span that is not empty.  Raises BrokerError."""
        wanted = {TopicPartition(self.topic, number): span for number, span in spans.items() if span.begin < span.end}
        self._ends = {place: span.end for place, span in wanted.items()}
        self.positions = {place.partition: span.begin for place, span in wanted.items()}
        self._consumer.assign(list(wanted))
        for place, span in wanted.items():
            self._consumer.seek(place, span.begin)

    @property
    def finished(self) -> bool:
        """Whether everything was read."""
        return not self._ends

    async def fetch(self) -> list[ConsumerRecord]:
        """Return the next records, those of a partition in order; none where none came within half a second.

        Raises BrokerError, BrokerUnavailableError, also where nothing comes for half a minute.
        """
        since = asyncio.get_running_loop().time()
        with our_broker_errors(self._doing):
            records = await bounded(self._fetch(), self._doing)
            wanted = [record for record in records if record.offset < self._ends[_place(record)]]
            for place, end in list(self._ends.items()):
                self.positions[place.partition] = min(
                    int(await bounded(self._consumer.position(place), self._doing)), end
                )
                if self.positions[place.partition] >= end:
                    del self._ends[place]
                    self._consumer.pause(place)
        self._watch.note(dict(self.positions), since=since)
        return wanted

    async def _fetch(self) -> list[ConsumerRecord]:
        places = list(self._ends)
        fetched: dict[TopicPartition, list[ConsumerRecord]] | None = None
        with suppress(UnicodeDecodeError):
            fetched = await self._consumer.getmany(*places, timeout_ms=_POLL_MS, max_records=self._max_records)
        if fetched is None:  # what was fetched of the other partitions is lost to aiokafka: begin anew, one by one
            for place in places:
                self._consumer.seek(place, self.positions[place.partition])
            fetched = {place: await self._of_one(place) for place in places}
        return [record for records in fetched.values() for record in records]

    async def _of_one(self, place: TopicPartition) -> list[ConsumerRecord]:
        with suppress(UnicodeDecodeError):
            found = await self._consumer.getmany(place, timeout_ms=_POLL_MS, max_records=self._max_records)
            return list(found.get(place, []))
        return await fetch_leniently(self._consumer, place)

    async def _offsets(self, bound: Bound, held: Mapping[int, Span]) -> Mapping[int, int]:
        if bound.time is None:
            return bound.offsets
        moment = int(bound.time.timestamp() * 1000)
        asked = {TopicPartition(self.topic, number): moment for number in held}
        with our_broker_errors(self._doing):
            found = await bounded(self._consumer.offsets_for_times(asked), self._doing)
        return {
            place.partition: held[place.partition].end if entry is None else int(entry.offset)
            for place, entry in found.items()
        }


def _place(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)

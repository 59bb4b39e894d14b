"""Follow a topic from its beginning: no group, no key, no trace left.

For whoever shows what is on the dead-letter topic, by the headers of its records, and what became of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.fetching import Fetching
from aegis_stream.client.topics import preflight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from typing import TypeAlias

    from aiokafka import ConsumerRecord

    TopicRecord: TypeAlias = ConsumerRecord[bytes | None, bytes | None]

POLL_MS = 1_000
MAX_RECORDS = 2_000


class Tailed(NamedTuple):
    """What one fetch brought, and how many records are still to read; headers are left out if a name is not UTF-8."""

    records: list[TopicRecord]
    behind: int


async def tail(connection: Mapping[str, Any], topic: str) -> AsyncIterator[Tailed]:
    """Yield what the topic holds, each partition in its order, and then whatever comes; never ends by itself.

    An empty answer comes at least every few seconds.  Raises BrokerError (no such topic, refused),
    BrokerUnavailableError.
    """
    doing = f"reading {topic}"
    count = (await preflight(connection, topics=[topic]))[topic]
    places = [TopicPartition(topic, partition) for partition in range(count)]
    consumer = AIOKafkaConsumer(
        **connection,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    fetching = Fetching(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
    try:
        with our_broker_errors(doing):
            await bounded(consumer.start(), doing)
            consumer.assign(places)
            for place, begin in (await bounded(consumer.beginning_offsets(places), doing)).items():
                consumer.seek(place, begin)
                fetching.begin(place, begin)
        while True:
            with our_broker_errors(doing):
                found = await bounded(fetching.fetch(consumer), doing)
                ends = await bounded(consumer.end_offsets(places), doing)
                behind = sum([max(0, ends[place] - await bounded(consumer.position(place), doing)) for place in places])
            yield Tailed(found, behind)
    finally:
        await consumer.stop()

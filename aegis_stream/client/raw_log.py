"""Read everything that a partition still holds, whether committed, overwritten or aborted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.topics import preflight

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_POLL_MS = 500


class RawRecord(NamedTuple):
    """A record as the log holds it; `timestamp_ms` is milliseconds since 1970."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp_ms: int


async def raw_log(connection: Mapping[str, Any], topic: str, *, partition: int = 0) -> AsyncIterator[RawRecord]:
    """Yield every record from the first offset to the end that the partition has at the start, uncommitted ones too.

    Raises BrokerError: the topic is missing or refused; BrokerUnavailableError.
    """
    doing = f"reading {topic}"
    await preflight(connection, topics=[topic])
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        **connection,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_uncommitted",
    )
    try:
        with our_broker_errors(doing):
            await bounded(consumer.start(), doing)
            consumer.assign([place])
            await bounded(consumer.seek_to_beginning(place), doing)
            end = (await bounded(consumer.end_offsets([place]), doing))[place]
        while True:
            with our_broker_errors(doing):
                if await bounded(consumer.position(place), doing) >= end:
                    return
                batches = await bounded(consumer.getmany(place, timeout_ms=_POLL_MS), doing)
            for record in batches.get(place, ()):
                yield RawRecord(record.key, record.value, record.offset, record.timestamp)
    finally:
        await consumer.stop()

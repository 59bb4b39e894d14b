"""The reader meets records whose headers have names that are not UTF-8: one of them must not stop it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.consumer import EventConsumer
from aegis_stream.encryption import Protected, create_pii_decryptor, create_pii_enricher
from aegis_stream.hybrid import HybridKEM
from tests.support.bad_names import builder_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.kafka

DEK = "dek-v1-20260101"
KEYS = HybridKEM.generate_keypair()
PARTITIONS, BATCHES, RECORDS = 3, 4, 5


def values(partition: int, batch: int) -> list[bytes]:
    """Return encrypted events of one batch, the offsets of their raw records going on from batch to batch."""
    numbers = range(batch * RECORDS, (batch + 1) * RECORDS)
    raw = [orjson.dumps({"event_id": f"{partition}-{number}", "actor_id": "x"}) for number in numbers]
    sources = [f"raw/{partition}/{number}" for number in numbers]
    results = create_pii_enricher(public_key=KEYS.public, dek_version=DEK).protect_batch(raw, sources=sources)
    return [result.value for result in results if isinstance(result, Protected)]


async def test_every_event_is_read_once_and_in_order_past_bad_header_names(
    kafka: str, topic_name: Callable[[str], str], make_topic: Callable[..., Awaitable[str]]
) -> None:
    """Bad and good batches take turns in every partition, so a fetch fails with others already drained."""
    topic = await make_topic(topic_name("encrypted"), PARTITIONS)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(BATCHES):
            for partition in range(PARTITIONS):
                headers = [(b"\xff\xfe", b"1")] if (number + partition) % 2 else []
                parts = [(None, value, headers) for value in values(partition, number)]
                batch = producer.create_batch()
                batch._builder = builder_of(parts)
                batch._relative_offset = len(parts)
                await (await producer.send_batch(batch, topic, partition=partition))
    seen: dict[str, list[int]] = {}
    async with EventConsumer(
        connection={"bootstrap_servers": kafka},
        topic=topic,
        group=f"readers-{topic}",
        decryptor=create_pii_decryptor(private_key=KEYS.private, dek_version=DEK),
        batch_records=4,
    ) as consumer:
        for _ in range(PARTITIONS * BATCHES * RECORDS):
            received = await asyncio.wait_for(anext(consumer), 30)
            partition, number = received.event["event_id"].split("-")
            seen.setdefault(partition, []).append(int(number))
    assert seen == {str(partition): list(range(BATCHES * RECORDS)) for partition in range(PARTITIONS)}
    assert consumer.stats["repeats"] == 0

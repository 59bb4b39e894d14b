"""A control topic on a real broker, and somebody who may write to it."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aegis_stream.keyring.maker import Change

    Records = list[tuple[str | None, bytes | None]]


async def make_topic(bootstrap: str, topic: str, *, partitions: int = 1, **configs: str) -> None:
    """Create a topic, and wait until the broker also tells of it: it answers before its own picture has it."""
    settings = {name.replace("_", "."): value for name, value in configs.items()}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
        while (await admin.describe_topics([topic]))[0]["error_code"]:  # noqa: ASYNC110 - Kafka tells only when asked
            await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def delete_topic(bootstrap: str, topic: str) -> None:
    """Delete a topic."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()


async def add_partition(bootstrap: str, topic: str) -> None:
    """Give a topic a second partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_partitions({topic: NewPartitions(total_count=2)})
    finally:
        await admin.close()


async def write(bootstrap: str, topic: str, records: Records) -> None:
    """Write records one after the other, without a transaction: what anybody with the right to write can do."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=None if key is None else key.encode(), partition=0)
    finally:
        await producer.stop()


@asynccontextmanager
async def transactional(bootstrap: str, transactional_id: str) -> AsyncIterator[AIOKafkaProducer]:
    """Return a started transactional producer."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, transactional_id=transactional_id, transaction_timeout_ms=10_000
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(bootstrap: str, topic: str, *changes: Change) -> None:
    """Write changes as the agent does, each one a transaction."""
    async with transactional(bootstrap, f"tests-{topic}") as producer:
        for change in changes:
            async with producer.transaction():
                for key, value in change.writes:
                    await producer.send(topic, value, key=key.encode(), partition=0)


async def read_all(bootstrap: str, topic: str) -> list[tuple[str, bytes | None]]:
    """Return every committed record, read by a client of the test's own."""
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        found = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(partition, timeout_ms=200)).values():
                found += [(record.key.decode(), record.value) for record in records]
    finally:
        await consumer.stop()
    return found


async def until(reached: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        if time.monotonic() > deadline:
            raise AssertionError(f"not reached within {timeout_s:g} s")
        await asyncio.sleep(0.02)

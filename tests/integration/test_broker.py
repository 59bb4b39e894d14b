"""The broker that the other tests stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.integration.conftest import create_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.kafka import RestartableBroker

pytestmark = pytest.mark.kafka


async def test_records_outlive_a_crash_of_the_broker(
    kafka_server: RestartableBroker, topic_name: Callable[[str], str]
) -> None:
    """Chaos tests restart the broker: if it came back empty or elsewhere they would prove nothing."""
    topic = topic_name("crash")
    await create_topic({"bootstrap_servers": kafka_server.bootstrap}, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"kept")
    kafka_server.restart(hard=True)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_server.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert record.value == b"kept"

"""What the tests on a real Kafka share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Mapping


class MakeTopic(Protocol):
    """Makes a topic and returns once every client sees it; `settings` are Kafka's topic settings."""

    async def __call__(self, name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        """Return the name."""


@pytest.fixture
def make_topic(kafka: str) -> MakeTopic:
    """Return a maker of topics on the plain broker."""

    async def make(name: str, partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        await create_topic({"bootstrap_servers": kafka}, name, partitions, settings)
        return name

    return make


async def create_topic(
    connection: Mapping[str, Any], name: str, partitions: int = 1, settings: Mapping[str, str] | None = None
) -> None:
    """Make a topic, and wait until the broker also tells of it: it answers before its own picture has it."""
    admin = AIOKafkaAdminClient(**connection)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(settings or {}))])
        assert [code for _, code, _ in answer.topic_errors] == [0], answer.topic_errors
        while (await admin.describe_topics([name]))[0]["error_code"]:  # noqa: ASYNC110 - Kafka tells only when asked
            await asyncio.sleep(0.02)
    finally:
        await admin.close()

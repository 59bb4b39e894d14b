"""The rotation agent while somebody deletes the control topic's records, or the topic itself, under it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from aegis_stream.control.arguments import RotateDek
from tests.support.control_topic import delete_topic, make_topic, read_all, until
from tests.support.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

BACK_S = 20.0


async def until_a_newcomer_can_read_everything(rotation: Rotation) -> None:
    """Wait until the topic alone tells all that the agent knows."""
    deadline = time.monotonic() + BACK_S
    while True:
        newcomer = rotation.deployment.keyring()
        for key, value in await read_all(rotation.kafka, rotation.topic):
            newcomer.offer(key, value, now=rotation.manifest.issued_at)
        if newcomer.manifest is not None and len(newcomer.manifest.deks) == 3 and not newcomer.missing():
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.2)


async def test_deleted_records_are_written_again(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> None:
    """Kafka lets nobody delete records of a compacted topic, but of one whose settings were changed it does.

    Nobody who starts could open an old event then: the only copies of its key were there.
    """
    begun = await Rotation.begin(kafka, topic_name("r"), tmp_path, cleanup_policy="compact,delete")
    async with begun as rotation, rotation.running(interval_s=0.5) as agent:
        for _ in range(2):
            await rotation.ask(RotateDek())
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            end = rotation.records[-1].offset
            await admin.delete_records({TopicPartition(rotation.topic, 0): RecordsToDelete(before_offset=end)})
        finally:
            await admin.close()
        await until(lambda: len(agent.overwritten) == 5)
        await until_a_newcomer_can_read_everything(rotation)


async def test_topic_made_anew_under_the_agent_is_filled_again(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """With the next manifest, whatever offset it gets."""
    async with (
        await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation,
        rotation.running(interval_s=1.0),
    ):
        for _ in range(2):
            await rotation.ask(RotateDek())
        await delete_topic(kafka, rotation.topic)
        await make_topic(kafka, rotation.topic, cleanup_policy="compact")
        await until_a_newcomer_can_read_everything(rotation)

"""Records of the control topic whose headers have names that are not UTF-8: one of them must not stop everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.control_session import ControlSession
from aegis_stream.control.arguments import RotateDek
from tests.support.bad_names import builder_of
from tests.support.control_topic import make_topic, transactional, until
from tests.support.rotation import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.kafka

BAD = [(b"\xff\xfe", b"1")]


async def write_badly(producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Write one batch, of which every second record has such a header."""
    batch = producer.create_batch()
    parts = [(key, value, BAD if number % 2 else []) for number, (key, value) in enumerate(records)]
    batch._builder = builder_of(parts)
    batch._relative_offset = len(parts)
    await (await producer.send_batch(batch, topic, partition=0))


async def test_agent_and_followers_read_past_bad_header_names(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """And what such a record overwrites is put right: its key is read all the same."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation:
        active = rotation.manifest.active.version.text
        async with rotation.running() as agent:
            async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
                written = [(b"manifest", None), (f"dek/{active}".encode(), b"x"), (b"other", b"y"), (b"other", None)]
                await write_badly(producer, rotation.topic, written)
            await until(lambda: agent.overwritten == {"manifest": 1, f"dek/{active}": 1})
            await rotation.ask(RotateDek())
        async with rotation.running():
            await rotation.ask(RotateDek())
    assert len(rotation.manifest.deks) == 3
    assert [record.key for record in rotation.records].count("other") == 2


async def test_aborted_records_stay_unread_beside_bad_header_names(
    kafka: str, topic_name: Callable[[str], str]
) -> None:
    """An aborted manifest has a good signature."""
    topic = topic_name("control")
    await make_topic(kafka, topic, cleanup_policy="compact")
    async with AIOKafkaProducer(bootstrap_servers=kafka) as plain, transactional(kafka, f"tests-{topic}") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", key=b"manifest", partition=0)
        await producer.abort_transaction()
        await write_badly(plain, topic, [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")])
        async with producer.transaction():
            await producer.send(topic, b"4", key=b"d", partition=0)
    session = await ControlSession.open({"bootstrap_servers": kafka}, topic, position=None)
    try:
        found, position, end = [], 0, await session.end()
        while position < end:
            records, position = await session.read()
            found += [(record.key, record.value) for record in records]
    finally:
        await session.close()
    assert found == [("a", b"1"), ("b", b"2"), ("c", b"3"), ("d", b"4")]

"""Logs that are read once, from end to end: what anybody wrote there stops nobody, and neither does a silent broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client import stall
from aegis_stream.client.control_session import ControlSession
from aegis_stream.client.log_reader import LogReader
from aegis_stream.client.raw_log import raw_log
from aegis_stream.client.spans import Span
from aegis_stream.errors import BrokerReason, BrokerUnavailableError
from tests.support.bad_names import builder_of
from tests.support.control_topic import make_topic, transactional, write

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Return a topic that is there and empty."""
    name = topic_name("log")
    await make_topic(kafka, name)
    return name


async def test_raw_log_shows_aborted_records_and_those_with_bad_header_names(kafka: str, topic: str) -> None:
    """What proves that nothing is left of a key must not be stopped by one record, nor pass one over."""
    async with AIOKafkaProducer(bootstrap_servers=kafka) as plain, transactional(kafka, f"tests-{topic}") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", key=b"a", partition=0)
        await producer.abort_transaction()
        batch = plain.create_batch()
        batch._builder = builder_of([(b"b", b"bad", [(b"\xff\xfe", b"1")])])
        batch._relative_offset = 1
        await (await plain.send_batch(batch, topic, partition=0))
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted", key=b"c", partition=0)
        await producer.abort_transaction()
    found = [record.key async for record in raw_log({"bootstrap_servers": kafka}, topic)]
    assert found == [b"a", b"b", b"c"]


async def fetch_all(reader: LogReader) -> None:
    """Read to the end."""
    while not reader.finished:
        await reader.fetch()


async def test_reader_that_gets_nowhere_says_so(kafka: str, topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that goes away in the middle answers nothing and refuses nothing: a command must not hang on it."""
    monkeypatch.setattr(stall, "STALL_S", 0.5)
    await write(kafka, topic, [("a", b"1")])
    async with LogReader({"bootstrap_servers": kafka}, topic) as reader:
        await reader.begin({0: Span(0, 1_000_000)})
        with pytest.raises(BrokerUnavailableError) as stalled:
            await fetch_all(reader)
    assert stalled.value.reason == BrokerReason.TIMEOUT
    session = await ControlSession.open({"bootstrap_servers": kafka}, topic, position=None)
    try:
        with pytest.raises(BrokerUnavailableError) as stalled:
            _ = [records async for records in session.read_to(1_000_000)]
    finally:
        await session.close()
    assert stalled.value.reason == BrokerReason.TIMEOUT

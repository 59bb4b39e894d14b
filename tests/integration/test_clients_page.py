"""The code of docs/clients.md on a real Kafka, as it stands there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.encryption import Opened
from aegis_stream.errors import ReadReason
from tests.support.documented import python_of
from tests.support.enrichment import Stage
from tests.support.keyrings import PlainKek

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

EVENTS: list[dict[str, Any]] = [{"event_id": f"e-{number}", "actor_id": "mara"} for number in range(3)]
PAGE = python_of("clients.md")


async def test_the_page_writes_and_reads(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> None:
    """What people copy must work: a producer, a consumer, a FastStream application, a refusal."""
    stage = Stage({"bootstrap_servers": kafka}, topic_name("page"), tmp_path, partitions=1)
    await stage.create()
    settings = stage.settings()
    await asyncio.to_thread(PAGE["write"], EVENTS, settings)

    taken: list[Any] = []
    ended = asyncio.Event()
    application = PAGE["application"](_taking(taken, ended), settings, [PlainKek()])
    async with asyncio.timeout(60):
        running = asyncio.create_task(application.run())
        await ended.wait()
        application.exit()
        await running
    assert taken == EVENTS

    await stage_put(stage, b'{"event_id":"e-9","actor_id":"mara"}')
    read: list[Any] = []
    refused: list[Any] = []

    def refuse(reason: str, path: str, message: Any) -> None:  # noqa: ANN401 - their Message
        refused.append((reason, path, message.offset()))

    async with asyncio.timeout(60):
        await asyncio.to_thread(PAGE["read"], read.append, refuse, settings, [PlainKek()])
    assert read == EVENTS
    assert refused == [(ReadReason.NOT_PROTECTED, "", 3)]


def test_the_page_drops_repeats() -> None:
    """A restarted enricher repeats a tail; nobody should see it twice."""
    sources = ["raw/0/1", "raw/0/2", "raw/0/1", "raw/0/2", "raw/0/3", None]
    received = [(0, Opened({"n": number}, "dek-v1-20260101", source)) for number, source in enumerate(sources)]
    assert [event["n"] for event in PAGE["once"](received)] == [0, 1, 4, 5]


def test_the_page_goes_on_after_refusals() -> None:
    """The middleware is one that FastStream takes."""
    assert callable(PAGE["going_on"](lambda *_: None))


def _taking(taken: list[Any], ended: asyncio.Event) -> Callable[[Any], Any]:
    async def handle(event: Any) -> None:  # noqa: ANN401 - an event
        taken.append(event)
        if len(taken) == len(EVENTS):
            ended.set()

    return handle


async def stage_put(stage: Stage, value: bytes) -> None:
    """Write one record to the encrypted topic."""
    async with AIOKafkaProducer(**stage.connection) as producer:
        await producer.send_and_wait(stage.encrypted, value, partition=0)

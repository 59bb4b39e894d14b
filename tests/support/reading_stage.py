"""An encrypted topic on a real Kafka, what writes to it, and readers of one group."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from aegis_stream.client.consumer import EventConsumer
from aegis_stream.encryption import (
    PIIDecryptor,
    PIIEncryptor,
    Protected,
)
from aegis_stream.hybrid import HybridKEM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import AIOKafkaProducer

    from aegis_stream.client.received import ReceivedEvent


DEK = "dek-v1-20260101"
KEYS = HybridKEM.generate_keypair()


@dataclass
class Stage:
    """One encrypted topic, and what stands in for the enricher that writes to it."""

    bootstrap: str
    topic: str
    group: str
    producer: AIOKafkaProducer
    encryptor: PIIEncryptor
    decryptor: PIIDecryptor

    async def write(self, offsets: Sequence[int], *, partition: int = 0, raw_topic: str = "raw") -> None:
        """Write events as an enricher does that read these offsets of the raw topic."""
        raw = [orjson.dumps({"event_id": f"{partition}-{offset}", "actor_id": "x", "n": offset}) for offset in offsets]
        sources = [f"{raw_topic}/{partition}/{offset}" for offset in offsets]
        waiting = []
        for result in self.encryptor.protect_batch(raw, sources=sources):
            assert isinstance(result, Protected)
            waiting.append(await self.producer.send(self.topic, result.value, partition=partition))
        await asyncio.gather(*waiting)

    async def put(self, value: bytes | None, *, partition: int = 0, key: bytes | None = None) -> None:
        """Write any record."""
        await self.producer.send_and_wait(self.topic, value, key=key, partition=partition)

    def reader(self, **options: Any) -> EventConsumer:  # noqa: ANN401 - any option of a reader
        """Make a reader of the group."""
        return EventConsumer(
            **{
                "connection": {"bootstrap_servers": self.bootstrap},
                "topic": self.topic,
                "group": self.group,
                "decryptor": self.decryptor,
                "commit_interval_s": 0.0,
                **options,
            }
        )


async def take(reader: EventConsumer, count: int) -> list[ReceivedEvent]:
    """Return the next events, in the order in which they came."""
    async with asyncio.timeout(30):
        return [await anext(reader) for _ in range(count)]


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something that has no event to wait for holds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def numbers(events: Sequence[ReceivedEvent]) -> list[int]:
    """Return the raw offsets."""
    return [received.event["n"] for received in events]

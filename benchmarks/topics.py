"""The topics of a benchmark: made, filled, watched, measured and removed."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.encryption import PIIEncryptor, Protected
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

PARTITIONS = 4
MAX_MESSAGE_BYTES = 4 << 20
FILL_BATCH_BYTES = 512 << 10
EVENT_POOL = 2_000

Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]


def unique(role: str) -> str:
    """Return a topic's or group's name that nothing else has."""
    return f"bench-{role}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one worker process does; topics and group have names of their own unless told otherwise.

    idempotent, batch_bytes: of the plain copy; the enricher has its own.
    """

    bootstrap: str
    raw: str = field(default_factory=lambda: unique("raw"))
    encrypted: str = field(default_factory=lambda: unique("encrypted"))
    dead_letter: str = field(default_factory=lambda: unique("dead-letter"))
    group: str = field(default_factory=lambda: unique("group"))
    compression: Compression = "none"
    idempotent: bool = True
    batch_bytes: int = 1 << 20

    def to_json(self) -> str:
        """Return it as a command's argument."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave."""
        return cls(**orjson.loads(text))


async def create_topics(
    bootstrap: str, names: Sequence[str], *, partitions: int = PARTITIONS, settings: Mapping[str, str] | None = None
) -> None:
    """Make topics; `settings` are Kafka's, as text."""
    config = {"max.message.bytes": str(MAX_MESSAGE_BYTES), **(settings or {})}
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config) for name in names])
        while set(names) - set(await admin.list_topics()):  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    finally:
        await admin.close()


async def delete_topics(bootstrap: str, names: Sequence[str]) -> None:
    """Remove topics with what is in them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(names))
    finally:
        await admin.close()


def encrypted_pool() -> list[bytes]:
    """Return the same events encrypted, about 6,400 bytes each: what an enricher writes."""
    encryptor = PIIEncryptor(public_key=HybridKEM.generate_keypair().public, dek_version="dek-v1-20260101")
    return [result.value for result in encryptor.protect_batch(event_pool()) if isinstance(result, Protected)]


def event_pool() -> list[bytes]:
    """Return events with all twelve fields, about 1,150 bytes each."""
    return [orjson.dumps(event) for event in generate_events(seed=12, count=EVENT_POOL, all_fields=True)]


class Filler:
    """Writes events to a raw topic in large batches, round the partitions."""

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        pool: list[bytes] | None = None,
        *,
        partitions: int = PARTITIONS,
    ) -> None:
        """Use a started producer; `pool` is what is written again and again, `event_pool` by default."""
        self._partitions = partitions
        self._producer = producer
        self._topic = topic
        pool = pool or event_pool()
        self._events = _endless(pool)
        self._at_once = max(1, FILL_BATCH_BYTES // (2 * max(map(len, pool))))
        self._partition = 0
        self.events = 0
        self.bytes = 0

    async def add(self, count: int) -> None:
        """Write `count` events and wait for the acknowledgements."""
        sent = []
        left = count
        while left:
            batch = self._producer.create_batch()
            for value in islice(self._events, min(left, self._at_once)):
                batch.append(key=None, value=value, timestamp=None)
                self.bytes += len(value)
            left -= batch.record_count()
            batch.close()
            sent.append(await self._producer.send_batch(batch, self._topic, partition=self._partition))
            self._partition = (self._partition + 1) % self._partitions
        await asyncio.gather(*sent)
        self.events += count


def filling_producer(bootstrap: str) -> AIOKafkaProducer:
    """Return a producer for a Filler, not started."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", max_batch_size=FILL_BATCH_BYTES, max_request_size=2 * FILL_BATCH_BYTES
    )


async def fill(
    bootstrap: str, topic: str, count: int, pool: list[bytes] | None = None, *, partitions: int = PARTITIONS
) -> int:
    """Write `count` events of a pool to a topic; returns their bytes."""
    async with filling_producer(bootstrap) as producer:
        filler = Filler(producer, topic, pool, partitions=partitions)
        await filler.add(count)
        return filler.bytes


class Watcher:
    """Counts the records of one topic from outside; a context manager."""

    def __init__(self, bootstrap: str, topic: str, *, partitions: int = PARTITIONS) -> None:
        """Start nothing yet."""
        self._consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]

    async def __aenter__(self) -> Self:
        """Start."""
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self._consumer.stop()

    async def count(self) -> int:
        """Return how many records were ever written."""
        ends = await asyncio.wait_for(self._consumer.end_offsets(self._partitions), 30)
        return sum(ends.values())


def topic_bytes(data: Path, topic: str) -> int:
    """Return what the log of a topic takes in a broker's data folder, bytes."""
    return sum(log.stat().st_size for log in data.glob(f"{topic}-*/*.log"))


def _endless(events: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from events

"""A deployment on a real Kafka for tests of the enricher: topics, keys, raw records in, everything out."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
)

from aegis_stream.encryption import Opened, PIIDecryptor
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.sealing import OpenedRecord, SourceRecord, open_record
from aegis_stream.settings import Settings
from aegis_stream.wrapping import unwrap_dek
from tests.support.keyrings import Deployment, PlainKek, offer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aiokafka import ConsumerRecord

    from aegis_stream.keyring.maker import Change

SESSION_SEED = bytes(range(32))
PSEUDONYM_KEY = bytes(range(32, 64))
RAW_BYTES = 1_048_588
"""Kafka's own max.message.bytes."""
MARKERS_S = 3.0


@dataclass(frozen=True, kw_only=True)
class RawRecord:
    """One record for the raw topic; `timestamp_ms` None is now."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = 0
    timestamp_ms: int | None = None


@dataclass
class Stage:
    """Topics and keys of one test; `connection` are the keyword arguments of an aiokafka client."""

    connection: Mapping[str, Any]
    name: str
    state_dir: Path
    partitions: int = 2
    raw_bytes: int = RAW_BYTES
    encrypted_bytes: int = 2 * RAW_BYTES + 65_536
    dead_letter_bytes: int = RAW_BYTES + 65_536
    encrypted_partitions: int | None = None
    deployment: Deployment = field(init=False)
    published: list[Change] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the keys."""
        self.deployment = Deployment(started=utc_now())

    @property
    def raw(self) -> str:
        """Name of the raw topic."""
        return f"{self.name}.raw"

    @property
    def encrypted(self) -> str:
        """Name of the encrypted topic."""
        return f"{self.name}.encrypted"

    @property
    def dead_letter(self) -> str:
        """Name of the dead-letter topic."""
        return f"{self.name}.dead-letter"

    @property
    def control(self) -> str:
        """Name of the control topic."""
        return f"{self.name}.control"

    @property
    def group(self) -> str:
        """Application id of the enrichers."""
        return f"{self.name}.app"

    async def create(self, *, control: bool = True) -> None:
        """Make the topics and publish the first manifest; without `control` neither that topic nor the manifest."""
        sizes = "max.message.bytes"
        topics = [
            NewTopic(self.raw, self.partitions, 1, topic_configs={sizes: str(self.raw_bytes)}),
            NewTopic(
                self.encrypted,
                self.encrypted_partitions or self.partitions,
                1,
                topic_configs={sizes: str(self.encrypted_bytes)},
            ),
            NewTopic(self.dead_letter, self.partitions, 1, topic_configs={sizes: str(self.dead_letter_bytes)}),
        ]
        await self._create(topics)
        if control:
            await self.create_control()
            await self.publish(self.deployment.first)

    async def create_control(self) -> None:
        """Make the control topic."""
        await self._create([NewTopic(self.control, 1, 1, topic_configs={"cleanup.policy": "compact"})])

    async def publish(self, change: Change) -> None:
        """Write what the rotation agent would write."""
        self.published.append(change)
        async with AIOKafkaProducer(**self.connection) as producer:
            for key, value in change.writes:
                await producer.send_and_wait(self.control, value, key=key.encode(), partition=0)

    def settings(self, **overrides: Any) -> Settings:  # noqa: ANN401 - any field
        """Return the enricher's settings."""
        return Settings(**{**self._fields(), **overrides})

    def environment(self, **overrides: str) -> dict[str, str]:
        """Return the same as variables of a process."""
        fields = self._fields()
        texts = {
            f"AEGIS_{name.upper()}": base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
            for name, value in fields.items()
            if name != "agent_public_keys"
        }
        texts["AEGIS_AGENT_PUBLIC_KEY"] = base64.b64encode(fields["agent_public_keys"][0]).decode()
        return {**texts, **overrides}

    async def send(self, records: Sequence[RawRecord | bytes]) -> None:
        """Write raw records, in order, with leave to send what ordinary producers do not."""
        async with AIOKafkaProducer(**self.connection) as producer:
            for one in records:
                record = one if isinstance(one, RawRecord) else RawRecord(value=one)
                batch = producer.create_batch()
                batch.append(
                    key=record.key, value=record.value, timestamp=record.timestamp_ms, headers=list(record.headers)
                )
                await (await producer.send_batch(batch, self.raw, partition=record.partition))

    async def read(self, topic: str, count: int, *, timeout_s: float = 30) -> list[ConsumerRecord[bytes, bytes]]:
        """Return the first `count` records of a topic, by partition and offset; fails if they do not come."""
        found: list[ConsumerRecord[bytes, bytes]] = []
        async with asyncio.timeout(timeout_s), AIOKafkaConsumer(**self.connection) as consumer:
            consumer.assign([TopicPartition(topic, number) for number in range(self._count(topic))])
            await consumer.seek_to_beginning()
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return sorted(found, key=lambda record: (record.partition, record.offset))

    async def read_all(self, topic: str) -> list[ConsumerRecord[bytes, bytes]]:
        """Return every record that a topic holds now, without what an aborted transaction left there.

        A commit is acknowledged before its markers are on every partition, and until then its records do not show; a
        transaction that somebody has left open is not waited for.
        """
        async with AIOKafkaConsumer(**self.connection, isolation_level="read_committed") as consumer:
            places = [TopicPartition(topic, number) for number in range(self._count(topic))]
            consumer.assign(places)
            await consumer.seek_to_beginning()
            ends = await consumer.end_offsets(places)
            async with AIOKafkaConsumer(**self.connection) as plain:
                whole = await plain.end_offsets(places)
            deadline = time.monotonic() + MARKERS_S
            while ends != whole and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
                ends = await consumer.end_offsets(places)
            found: list[ConsumerRecord[bytes, bytes]] = []
            while [place for place, end in ends.items() if await consumer.position(place) < end]:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return found

    def _count(self, topic: str) -> int:
        if topic == self.control:
            return 1
        return self.encrypted_partitions or self.partitions if topic == self.encrypted else self.partitions

    async def committed(self) -> dict[int, int]:
        """Return the group's committed offsets by partition."""
        admin = AIOKafkaAdminClient(**self.connection)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(self.group)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError):
            return {}  # the broker has only just started
        finally:
            await admin.close()
        return {place.partition: meta.offset for place, meta in offsets.items() if meta.offset >= 0}

    async def until_committed(self, count: int, *, timeout_s: float = 30) -> None:
        """Wait until offsets that add up to `count` are committed."""
        async with asyncio.timeout(timeout_s):
            while sum((await self.committed()).values()) < count:  # noqa: ASYNC110 - Kafka tells only when asked
                await asyncio.sleep(0.05)

    def decryptor(self) -> PIIDecryptor:
        """Return a reader's decryptor for the keys in force."""
        keyring = self.deployment.keyring()
        for change in self.published:
            offer(keyring, change)
        return PIIDecryptor(ReaderKeys(keyring, [PlainKek()]))

    def opened(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> list[Opened]:
        """Open encrypted records; fails where one is refused."""
        results = self.decryptor().open_batch([record.value for record in records])
        assert all(isinstance(result, Opened) for result in results), results
        return [result for result in results if isinstance(result, Opened)]

    def unsealed(self, letter: ConsumerRecord[bytes, bytes]) -> OpenedRecord:
        """Open a dead letter by what its headers say."""
        headers = {name: value.decode() for name, value in letter.headers}
        assert set(headers) == {"aegis-dek-version", "aegis-source", "aegis-reason"}
        topic, partition, offset = headers["aegis-source"].split("/")
        record = self.deployment.records[headers["aegis-dek-version"]]
        kek = PlainKek()
        key = unwrap_dek(
            record.wraps[kek.kek_id], dek_version=record.version.text, dek_public_key=record.public_key, kek=kek
        )
        return open_record(
            letter.value,
            decapsulate=key.decapsulate,
            dek_public_key=record.public_key,
            dek_version=record.version.text,
            source=SourceRecord(topic, int(partition), int(offset)),
            reason=headers["aegis-reason"],
        )

    def _fields(self) -> dict[str, Any]:
        return {
            "broker": self.connection["bootstrap_servers"],
            "deployment": self.deployment.name,
            "application_id": self.group,
            "topic_raw": self.raw,
            "topic_encrypted": self.encrypted,
            "topic_dead_letter": self.dead_letter,
            "topic_dead_letter_state": f"{self.name}.dead-letter-state",
            "topic_control": self.control,
            "agent_public_keys": (self.deployment.signer.public,),
            "session_signing_key": SESSION_SEED,
            "pseudonym_key": PSEUDONYM_KEY,
            "web_port": "off",
            "state_dir": self.state_dir,
        }

    async def _create(self, topics: Sequence[NewTopic]) -> None:
        admin = AIOKafkaAdminClient(**self.connection)
        await admin.start()
        try:
            answer = await admin.create_topics(list(topics))
            assert {code for _, code, _ in answer.topic_errors} == {0}, answer.topic_errors
            names = [topic.name for topic in topics]
            while any(one["error_code"] for one in await admin.describe_topics(names)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:
            await admin.close()


def utc_now() -> dt.datetime:
    """Return the present whole second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)

"""The public doubles: the same answers as the real consumer and producer, which run on a real Kafka beside them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.client import EventConsumer, EventProducer
from aegis_stream.errors import (
    BrokerError,
    ConfigurationError,
    EventRefusedError,
    KEKUnavailableError,
    ReadReason,
    RecordRefusedError,
    SchemaRefusedError,
)
from aegis_stream.generator import generate_events
from aegis_stream.testing import MemoryConsumer, MemoryDeployment, UnavailableKEK
from aegis_stream.testing.log import ENCRYPTED, MemoryLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aegis_stream.client import RefusedRecord

EVENTS = list(generate_events(seed=2, count=6))
IDS = [event["event_id"] for event in EVENTS]


class World(Protocol):
    """An encrypted topic of one partition with readers on it."""

    maker: MemoryDeployment

    async def put(self, *values: bytes | None) -> None:
        """Write records to the topic."""

    def consumer(self, **options: Any) -> EventConsumer:  # noqa: ANN401 - any option
        """Make a reader; two of one group go on from each other."""


class InMemory:
    """The doubles."""

    def __init__(self) -> None:
        self.maker = MemoryDeployment()
        self._log = MemoryLog(1)

    async def put(self, *values: bytes | None) -> None:
        for value in values:
            self._log.append(ENCRYPTED, 0, None, value, ())

    def consumer(self, **options: Any) -> EventConsumer:  # noqa: ANN401 - any option
        return MemoryConsumer(self._log, group="g", decryptor=self.maker.decryptor(), commit_interval_s=0.0, **options)


class OnKafka:
    """The real ones."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.maker = MemoryDeployment()
        self._connection, self._topic = {"bootstrap_servers": bootstrap}, topic

    async def create(self) -> None:
        admin = AIOKafkaAdminClient(**self._connection)
        await admin.start()
        await admin.create_topics([NewTopic(self._topic, 1, 1)])
        await admin.close()

    async def put(self, *values: bytes | None) -> None:
        async with AIOKafkaProducer(**self._connection) as producer:
            for value in values:
                batch = producer.create_batch()
                batch.append(key=None, value=value, timestamp=None)
                await (await producer.send_batch(batch, self._topic, partition=0))

    def consumer(self, **options: Any) -> EventConsumer:  # noqa: ANN401 - any option
        return EventConsumer(
            connection=self._connection,
            topic=self._topic,
            group=f"g-{self._topic}",
            decryptor=self.maker.decryptor(),
            commit_interval_s=0.0,
            **options,
        )


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.kafka)])
async def world(request: pytest.FixtureRequest, topic_name: Callable[[str], str]) -> AsyncIterator[World]:
    """Yield the double, then the real thing."""
    if request.param == "memory":
        yield InMemory()
        return
    real = OnKafka(request.getfixturevalue("kafka"), topic_name("doubles").replace("[", "").replace("]", ""))
    await real.create()
    yield real


async def written(maker: MemoryDeployment) -> list[bytes | None]:
    """Return the encrypted form of all events."""
    async with maker.producer() as producer:
        await producer.send_many([(None, event) for event in EVENTS])
    return maker.encrypted()


async def take(consumer: EventConsumer, count: int) -> list[str]:
    """Return the ids of the next events."""
    async with asyncio.timeout(60):
        return [(await anext(consumer)).event["event_id"] for _ in range(count)]


async def test_readers_give_the_same_answers(world: World) -> None:
    """Repeats are dropped, forged records refused, empty ones passed over, and a group goes on where it stopped."""
    values = await written(world.maker)
    await world.put(*values[:3], values[1], None, b'{"actor_id": "clear"}', *values[3:])
    async with world.consumer() as consumer:
        assert await take(consumer, 3) == IDS[:3]
    refused: list[RefusedRecord] = []

    async def put_aside(record: RefusedRecord) -> None:
        refused.append(record)

    async with world.consumer() as consumer:
        assert await take(consumer, 1) == IDS[2:3], "the event in hand was not done"
        for _ in range(2):
            with pytest.raises(RecordRefusedError) as error:
                await take(consumer, 1)
            assert (error.value.reason, error.value.offset) == (ReadReason.NOT_PROTECTED, 5)
        assert consumer.stats == {"events": 1, "repeats": 1, "empty": 1}
    async with world.consumer(on_refused=put_aside) as consumer:
        assert await take(consumer, 3) == IDS[3:]
        await consumer.commit()
        assert consumer.stats == {"events": 3, "refused": 1}
    assert [(record.offset, record.reason) for record in refused] == [(5, ReadReason.NOT_PROTECTED)]


async def test_the_double_ends_where_the_real_one_waits() -> None:
    """So a test needs no time-out: what is there is read, and what comes later by the next look."""
    deployment = MemoryDeployment(partitions=3)
    async with deployment.producer() as producer:
        for number, event in enumerate(EVENTS[:4]):
            place = await producer.send(event, partition=number % 3)
            assert place == ("aegis.raw", number % 3, number // 3)
    async with deployment.consumer() as consumer:
        seen = [received.event["event_id"] async for received in consumer]
        assert sorted(seen) == sorted(IDS[:4])
        deployment.write_raw(b'{"event_id": "later"}', key=b"actor-7")
        assert [received.event["event_id"] async for received in consumer] == ["later"]
    async with deployment.consumer() as consumer:
        assert [received async for received in consumer] == []
    async with deployment.consumer(group="another") as consumer:
        assert len([received async for received in consumer]) == 5


async def test_the_producer_refuses_as_the_real_one() -> None:
    """It is the real one: schema, JSON, and that it must be started."""
    deployment = MemoryDeployment()
    producer = deployment.producer()
    assert isinstance(producer, EventProducer)
    with pytest.raises(ConfigurationError):
        await producer.send(EVENTS[0])
    async with producer:
        with pytest.raises(SchemaRefusedError):
            await producer.send({"event_id": "x"})
        with pytest.raises(BrokerError):
            await producer.send(EVENTS[0], partition=1)
    async with deployment.producer(validate=False) as free:
        with pytest.raises(EventRefusedError):
            await free.send({"n": float("nan")})
        await free.send({"anything": 1})
    assert len(deployment.encrypted()) == 1


async def test_keys_live_as_in_a_deployment() -> None:
    """Rotation, revocation, destruction and a KEK that is away: what an application must stand is real."""
    deployment = MemoryDeployment()
    versions = [deployment.active_version]
    for _ in range(2):
        deployment.write_raw(b'{"event_id": "%d", "actor_id": "x"}' % len(versions))
        versions.append(deployment.rotate())
    deployment.write_raw(b'{"event_id": "3", "actor_id": "x"}')
    away = UnavailableKEK(deployment.kek)
    async with deployment.consumer(keks=[away]) as consumer:
        with pytest.raises(KEKUnavailableError):
            await anext(consumer)
        away.available = True
        assert [received.dek_version async for received in consumer] == versions
    deployment.revoke(versions[1])
    deployment.destroy(versions[0])
    reasons: list[ReadReason] = []

    async def put_aside(record: RefusedRecord) -> None:
        reasons.append(record.reason)

    async with deployment.consumer(group="after", on_refused=put_aside) as consumer:
        assert [received.dek_version async for received in consumer] == versions[2:]
    assert reasons == [ReadReason.DEK_DESTROYED, ReadReason.DEK_REVOKED]


async def test_the_enrichers_part_is_done() -> None:
    """Keys leave as pseudonyms, headers under guard, and what is refused is a dead letter."""
    deployment = MemoryDeployment()
    headers = [("trace", b"1"), ("aegis-source", b"x"), ("who", b"by actor-7"), ("null", None)]
    deployment.write_raw(b'{"event_id": "1", "actor_id": "actor-7"}', key=b"actor-7", headers=headers)
    deployment.write_raw(b"{broken")
    deployment.write_raw(None, key=b"actor-7")
    deployment.write_encrypted(b"forged", partition=0)
    (letter,) = deployment.dead_letters
    assert letter == ("aegis.raw/0/1", "not-json", b"{broken")
    async with deployment.consumer() as consumer:
        received = await anext(consumer)
        assert received.headers == (("trace", b"1"), ("null", b""))
        assert received.key is not None
        assert b"actor-7" not in received.key
        with pytest.raises(RecordRefusedError):
            await anext(consumer)

"""confluent-kafka on a real Kafka: its producer and consumer with our serializer and deserializer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import DeserializingConsumer, SerializingProducer, TopicPartition
from confluent_kafka.error import ValueDeserializationError, ValueSerializationError

from aegis_stream.client import open_consumer
from aegis_stream.encryption import Opened, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import (
    EventRefusedError,
    EventUnreadableError,
    KEKReason,
    KEKUnavailableError,
    KeyringStaleError,
    ReadReason,
    WriteReason,
)
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.integrations.confluent import EventDeserializer, EventSerializer, FollowedKeys, FollowedWriter
from aegis_stream.keyring.entries import DekState
from tests.support.enrichment import Stage, utc_now
from tests.support.keyrings import OTHER_ENRICHER, PlainKek

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

pytestmark = pytest.mark.kafka

EVENTS: list[dict[str, Any]] = [
    {"event_id": "e-1", "actor_id": "mara@risk.example", "score": 0.5},
    {"event_id": "e-2", "actor_id": "jo", "approvals": [{"signer_id": 7}, {"signer_id": None}]},
    {"event_id": "e-3", "outcome": "pass"},
]
DEADLINE_S = 60.0


class Client:
    """A producer and a consumer of confluent-kafka on the encrypted topic."""

    def __init__(self, bootstrap: str, topic: str, group: str) -> None:
        """Connect nothing yet."""
        self._common = {"bootstrap.servers": bootstrap}
        self._topic = topic
        self._group = group

    def produce(self, values: Sequence[Any], serializer: Any = None) -> None:  # noqa: ANN401 - any serializer
        """Write values and wait until the broker has them."""
        failures: list[Any] = []
        with SerializingProducer({**self._common, "value.serializer": serializer}) as producer:
            for value in values:
                producer.produce(self._topic, value=value, on_delivery=lambda error, _: failures.append(error))
            assert producer.flush(DEADLINE_S) == 0
        assert failures == [None] * len(values)

    def consumer(self, deserializer: EventDeserializer, *, join: bool = False) -> DeserializingConsumer:
        """Return a consumer that stands at the beginning, or one that joins the group."""
        settings = {**self._common, "group.id": self._group, "auto.offset.reset": "earliest"}
        consumer = DeserializingConsumer({**settings, "value.deserializer": deserializer})
        if join:
            consumer.subscribe([self._topic])
        else:
            consumer.assign([TopicPartition(self._topic, 0, 0)])
        return consumer

    def consume(self, deserializer: EventDeserializer, count: int, *, join: bool = False) -> list[Any]:
        """Return the first values."""
        consumer = self.consumer(deserializer, join=join)
        try:
            return [polled(consumer).value() for _ in range(count)]
        finally:
            consumer.close()


def polled(consumer: DeserializingConsumer) -> Any:  # noqa: ANN401 - their Message
    """Return the next message, or raise what reading it raises."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is not None:
            return message
    raise AssertionError("no message came")


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Make a deployment with topics of one partition."""
    stage = Stage({"bootstrap_servers": kafka}, topic_name("confluent"), tmp_path, partitions=1)
    await stage.create()
    return stage


@pytest.fixture
def client(kafka: str, stage: Stage) -> Client:
    """Return confluent-kafka's side of it."""
    return Client(kafka, stage.encrypted, stage.group)


async def test_a_deployment_is_followed_on_both_sides(stage: Stage, client: Client) -> None:
    """Their clients and ours read the same events, each judged by the manifest: signed sessions, policy, version."""
    settings = stage.settings()

    def theirs() -> list[Any]:
        with FollowedWriter(settings) as writer:
            client.produce(EVENTS, EventSerializer(writer))
        with FollowedKeys(settings, keks=[PlainKek()]) as keys:
            return client.consume(EventDeserializer(keys, whole=True), len(EVENTS), join=True)

    version = stage.deployment.active
    assert await asyncio.to_thread(theirs) == [Opened(event, version, None) for event in EVENTS]
    async with (
        asyncio.timeout(DEADLINE_S),
        open_consumer(settings, keks=[PlainKek()], group=f"{stage.name}.ours") as ours,
    ):
        assert [(await anext(ours)).event for _ in EVENTS] == EVENTS
    raw = [record.value for record in await stage.read(stage.encrypted, len(EVENTS))]
    assert not any(b"mara" in value or b'"jo"' in value for value in raw)
    assert all(b'"sig":' in value for value in raw)


async def test_a_version_made_since_costs_one_look(stage: Stage, client: Client) -> None:
    """A rotation must not break running readers, and a revocation must reach them."""
    with FollowedWriter(stage.settings()) as writer, FollowedKeys(stage.settings(), keks=[PlainKek()]) as keys:
        serializer, deserializer = EventSerializer(writer), EventDeserializer(keys)
        await asyncio.to_thread(client.produce, EVENTS[:1], serializer)
        first = stage.deployment.active
        await stage.publish(stage.deployment.rotate(utc_now()))
        second = stage.deployment.active
        until = time.monotonic() + DEADLINE_S
        while second.encode() not in serializer(EVENTS[1]):
            assert time.monotonic() < until, "the writer never took the new version"
            await asyncio.sleep(0.05)
        await asyncio.to_thread(client.produce, EVENTS[1:2], serializer)
        assert await asyncio.to_thread(client.consume, deserializer, 2) == EVENTS[:2]
        await stage.publish(stage.deployment.set_state(first, DekState.REVOKED, utc_now()))
        old = (await stage.read(stage.encrypted, 1))[0].value
        until = time.monotonic() + DEADLINE_S
        while refusal(deserializer, old) is None:
            assert time.monotonic() < until, "the reader never heard of the revocation"
            await asyncio.sleep(0.05)
        refused = refusal(deserializer, old)
        assert refused is not None
        assert (refused.reason, refused.dek_version) == (ReadReason.DEK_REVOKED, first)


async def test_a_reader_that_missed_a_rotation_asks_for_it(
    stage: Stage, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its follower has not yet read must not be refused: the topic is read to its end first."""
    writer = stage.deployment
    with FollowedKeys(stage.settings(), keks=[PlainKek()]) as keys:
        asked = []
        opening = keys._held.opening
        inner = opening._refresh_keys

        async def counting() -> None:
            asked.append(True)
            await inner()

        monkeypatch.setattr(opening, "_refresh_keys", counting)
        monkeypatch.setattr(opening, "_clock", lambda: 0.0)
        unknown = create_pii_enricher(public_key=HybridKEM.generate_keypair().public, dek_version="dek-v9-20260101")
        serializer = EventSerializer(unknown)
        await asyncio.to_thread(client.produce, EVENTS[:2], serializer)
        consumer = client.consumer(EventDeserializer(keys))
        for _ in range(2):
            with pytest.raises(ValueDeserializationError) as caught:
                await asyncio.to_thread(polled, consumer)
            assert caught.value.exception.reason is ReadReason.DEK_UNKNOWN
        consumer.close()
        assert asked == [True]  # the second one falls into the ten seconds that one answer holds
        assert writer.active != "dek-v9-20260101"


async def test_a_refusal_is_raised_with_reason_and_place(client: Client) -> None:
    """Nothing is passed over in silence: `poll` raises, and the caller decides whether to go on."""
    pair = HybridKEM.generate_keypair()
    encrypt = EventSerializer(create_pii_enricher(public_key=pair.public, dek_version="dek-v1-20260101"))
    decrypt = EventDeserializer(create_pii_decryptor(private_key=pair.private, dek_version="dek-v1-20260101"))
    plain = b'{"event_id":"e-9","actor_id":"mara@risk.example"}'
    good = encrypt(EVENTS[0])
    assert good is not None
    await asyncio.to_thread(client.produce, [good, plain, good.replace(b'"set":"', b'"set":"0'), good])

    said: list[str] = []

    def read() -> list[Any]:
        consumer = client.consumer(decrypt)
        seen: list[Any] = []
        for _ in range(4):
            try:
                seen.append(polled(consumer).value())
            except ValueDeserializationError as error:
                seen.append((error.exception.reason, error.exception.path, error.kafka_message.offset()))
                said.append(str(error) + repr(error.exception))
        consumer.close()
        return seen

    assert await asyncio.to_thread(read) == [
        EVENTS[0],
        (ReadReason.NOT_PROTECTED, "", 1),
        (ReadReason.MALFORMED, "/_aegis", 2),
        EVENTS[0],
    ]
    assert "mara" not in "".join(said)


class AwayAtFirst:
    """A KEK whose keeper does not answer at first."""

    def __init__(self, key: HybridPrivateKey) -> None:
        """Hold the key."""
        self._key = key
        self.away = True

    def get_public_key(self) -> bytes:
        """Return 1,216 bytes."""
        return self._key.public

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, or be away."""
        if self.away:
            raise KEKUnavailableError(KEKReason.UNAVAILABLE, "the KEK's keeper is away")
        return self._key.decapsulate(encapsulation)


async def test_keys_that_are_away_cost_no_record(client: Client) -> None:
    """The error says that it will pass; whoever goes back to the record gets it later."""
    pair = HybridKEM.generate_keypair()
    kek = AwayAtFirst(HybridPrivateKey.from_bytes(pair.private))
    encrypt = EventSerializer(create_pii_enricher(public_key=pair.public, dek_version="dek-v1-20260101"))
    await asyncio.to_thread(client.produce, EVENTS[:2], encrypt)

    def read() -> list[Any]:
        consumer = client.consumer(EventDeserializer(create_pii_decryptor(kek=kek, dek_version="dek-v1-20260101")))
        with pytest.raises(ValueDeserializationError) as caught:
            polled(consumer)
        assert caught.value.exception.retryable is True
        message = caught.value.kafka_message
        consumer.seek(TopicPartition(message.topic(), message.partition(), message.offset()))
        kek.away = False
        values = [polled(consumer).value() for _ in range(2)]
        consumer.close()
        return values

    assert await asyncio.to_thread(read) == EVENTS[:2]


async def test_a_producer_refuses_what_a_writer_refuses(stage: Stage, client: Client) -> None:
    """An event that no reader could take must not reach the topic; nor one by a key that nobody enrolled."""
    pair = HybridKEM.generate_keypair()
    serializer = EventSerializer(create_pii_enricher(public_key=pair.public, dek_version="dek-v1-20260101"))
    with pytest.raises(ValueSerializationError) as caught:
        client.produce([{"_aegis": {}, "actor_id": "mara"}], serializer)
    assert isinstance(caught.value.exception, EventRefusedError)
    assert caught.value.exception.reason is WriteReason.HAS_AEGIS
    settings = stage.settings(session_signing_key=bytes(range(32, 64)))
    assert OTHER_ENRICHER.public not in {entry.public_key for entry in stage.deployment.manifest.enrichers}
    with FollowedWriter(settings) as writer, pytest.raises(KeyringStaleError, match="signer-not-enrolled"):
        EventSerializer(writer)(EVENTS[0])


def refusal(deserializer: EventDeserializer, value: bytes) -> EventUnreadableError | None:
    """Return why a value is refused, None where it opens."""
    try:
        deserializer(value)
    except EventUnreadableError as error:
        return error
    return None

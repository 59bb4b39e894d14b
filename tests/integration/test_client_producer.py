"""The producer of raw events on a real Kafka, and the way in through TLS and SASL."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.client.connection import connection_kwargs, tls_context
from aegis_stream.client.producer import EventProducer
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError, EventRefusedError, SchemaRefusedError
from aegis_stream.generator import generate_events
from aegis_stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aegis_stream.settings import Settings
    from tools.kafka import KafkaServer

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Make a topic of one partition."""
    name = topic_name("raw")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()
    return name


async def values(bootstrap: str, topic: str) -> list[tuple[bytes | None, bytes]]:
    """Return every (key, value) of partition 0."""
    place = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    end = (await consumer.end_offsets([place]))[place]
    found: list[tuple[bytes | None, bytes]] = []
    while await consumer.position(place) < end:
        found += [(record.key, record.value) for record in (await consumer.getmany(timeout_ms=500)).get(place, [])]
    await consumer.stop()
    return found


async def test_events_are_written_in_order_and_acknowledged(kafka: str, topic: str) -> None:
    """The offsets that come back are the broker's word that nothing was lost."""
    events = list(generate_events(count=100))
    async with EventProducer(connection={"bootstrap_servers": kafka}, topic=topic) as producer:
        written = await producer.send_many([(event["workflow_id"].encode(), event) for event in events])

    assert [place.offset for place in written] == list(range(100))
    assert await values(kafka, topic) == [(event["workflow_id"].encode(), orjson.dumps(event)) for event in events]


async def test_one_wrong_event_keeps_all_of_its_batch_back(kafka: str, topic: str) -> None:
    """Half a batch on the topic would have to be found and sorted out by hand."""
    good, bad = list(generate_events(count=1)), {"event_id": "x", "event_type": "proposal"}
    async with EventProducer(connection={"bootstrap_servers": kafka}, topic=topic) as producer:
        with pytest.raises(SchemaRefusedError, match="required at /occurred_at"):
            await producer.send_many([(None, event) for event in [*good, bad]])

    assert await values(kafka, topic) == []


async def test_any_object_goes_where_the_schema_is_not_asked(kafka: str, topic: str) -> None:
    """Other people's events are not governance events; what is no JSON still does not go."""
    async with EventProducer(connection={"bootstrap_servers": kafka}, topic=topic, validate=False) as producer:
        written = await producer.send({"anything": [1, "x"]}, key=b"k", headers=[("h", b"v")])
        with pytest.raises(EventRefusedError):
            await producer.send({"x": float("nan")})

    assert written == (topic, 0, 0)
    assert await values(kafka, topic) == [(b"k", b'{"anything":[1,"x"]}')]


async def test_a_missing_topic_is_said_at_the_start(kafka: str) -> None:
    """Its client would ask for it until it gives up, a minute later."""
    with pytest.raises(BrokerError) as caught:
        await EventProducer(connection={"bootstrap_servers": kafka}, topic="aegis.nowhere").start()
    assert caught.value.reason == BrokerReason.TOPIC_MISSING


async def test_a_producer_that_was_not_started_says_so() -> None:
    """Forgetting `async with` must not lose an event in silence."""
    with pytest.raises(ConfigurationError, match="not started"):
        await EventProducer(connection={}, topic="x").send(next(generate_events(count=1)))


def secure_settings(server: KafkaServer, **changes: str) -> Settings:
    """Return settings for the secure broker as user `producer`."""
    return load_settings(
        **{
            "broker": server.security.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_username": "admin",
            "kafka_sasl_password": server.security.users["admin"],
            "kafka_ssl_cafile": str(server.security.ca_path),
            **changes,
        }
    )


async def test_settings_lead_through_tls_and_scram(kafka_secure: KafkaServer) -> None:
    """Every client of ours takes these arguments."""
    admin = AIOKafkaAdminClient(**connection_kwargs(secure_settings(kafka_secure)))
    await admin.start()
    try:
        assert await admin.list_topics() is not None
    finally:
        await admin.close()


async def test_settings_lead_through_client_certificates(kafka_secure: KafkaServer, tmp_path: Path) -> None:
    """Mutual TLS needs no password; a key that others can read is refused."""
    certificate, key = kafka_secure.security.client_certificate("admin")
    private = tmp_path / "client.key"
    private.write_bytes(key.read_bytes())
    private.chmod(0o600)
    settings = load_settings(
        broker=kafka_secure.security.mtls_bootstrap,
        kafka_security_protocol="SSL",
        kafka_ssl_cafile=str(kafka_secure.security.ca_path),
        kafka_ssl_certfile=str(certificate),
        kafka_ssl_keyfile=str(private),
    )
    admin = AIOKafkaAdminClient(**connection_kwargs(settings))
    await admin.start()
    await admin.close()


async def test_a_broker_with_another_authority_is_not_trusted(kafka_secure: KafkaServer, tmp_path: Path) -> None:
    """Without the right CA nothing is sent, least of all the password."""
    settings = secure_settings(kafka_secure)
    context = tls_context(settings)
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)

    other = tmp_path / "none.pem"
    other.write_text("no certificate")
    with pytest.raises(ConfigurationError, match="AEGIS_KAFKA_SSL_CAFILE"):
        connection_kwargs(secure_settings(kafka_secure, kafka_ssl_cafile=str(other)))
    with pytest.raises(ConfigurationError, match="AEGIS_KAFKA_SSL_CAFILE"):
        connection_kwargs(secure_settings(kafka_secure, kafka_ssl_cafile=str(tmp_path / "missing.pem")))


def test_no_broker_no_connection() -> None:
    """The variable is named, not guessed."""
    with pytest.raises(ConfigurationError, match="AEGIS_BROKER is not set"):
        connection_kwargs(load_settings())

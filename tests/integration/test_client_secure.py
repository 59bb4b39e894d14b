"""Reader and producer on a broker with TLS, SCRAM and an authorizer, with the least rights that are documented."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from aegis_stream.client import EventConsumer, EventProducer, connection_kwargs
from aegis_stream.encryption import create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import BrokerError, BrokerReason
from aegis_stream.hybrid import HybridKEM
from aegis_stream.settings import load_settings
from tests.integration.conftest import create_topic
from tools.kafka.acls import Grant, Operation, Resource, allow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.kafka import KafkaServer

pytestmark = pytest.mark.kafka

DEK = "dek-v1-20260101"


async def test_the_least_rights_are_enough_for_producer_and_reader(
    kafka_secure: KafkaServer, topic_name: Callable[[str], str]
) -> None:
    """Write for the one; Read on the topic and on groups of a prefix for the other; and nothing cluster-wide."""
    security = kafka_secure.security
    topic, prefix = topic_name("encrypted"), topic_name("group")
    await create_topic(security.scram(), topic)
    await allow(
        security.scram(),
        Grant("producer", Operation.WRITE, Resource.TOPIC, topic),
        Grant("reader", Operation.READ, Resource.TOPIC, topic),
        Grant("reader", Operation.READ, Resource.GROUP, prefix, prefix=True),
    )

    def connection(user: str) -> dict[str, object]:
        return connection_kwargs(
            load_settings(
                broker=security.bootstrap,
                kafka_security_protocol="SASL_SSL",
                kafka_sasl_username=user,
                kafka_sasl_password=security.users[user],
                kafka_ssl_cafile=security.ca_path,
            )
        )

    keys = HybridKEM.generate_keypair()
    encrypt = create_pii_enricher(public_key=keys.public, dek_version=DEK)
    decryptor = create_pii_decryptor(private_key=keys.private, dek_version=DEK)
    async with EventProducer(connection=connection("producer"), topic=topic, validate=False) as producer:
        await producer.send_many([(None, encrypt({"actor_id": "x", "n": number})) for number in range(6)])

    def reader(group: str) -> EventConsumer:
        return EventConsumer(connection=connection("reader"), topic=topic, group=group, decryptor=decryptor)

    seen = []
    for _ in range(2):  # the second one asks for what the first has committed
        async with reader(f"{prefix}-one") as consumer, asyncio.timeout(40):
            seen += [(await anext(consumer)).event["n"] for _ in range(3)]
            await consumer.commit()
    assert seen == list(range(6))

    with pytest.raises(BrokerError) as caught:
        await reader("somebody-elses").start()
    assert caught.value.reason == BrokerReason.GROUP_REFUSED
    with pytest.raises(BrokerError) as caught:
        await EventProducer(connection=connection("nobody"), topic=topic).start()
    assert caught.value.reason == BrokerReason.TOPIC_REFUSED

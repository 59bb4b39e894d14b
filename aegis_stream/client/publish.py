"""Write to the control topic as an operator: no transaction, no fence, and nothing that is believed unsigned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.keyring.dsse import MAX_ENVELOPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEAD_BYTES = 65_536


async def publish(connection: Mapping[str, Any], topic: str, records: Sequence[tuple[str, bytes | None]]) -> None:
    """Write (key, value) pairs in their order, each acknowledged by all replicas in sync; None is a tombstone.

    Raises BrokerError: the topic refuses them; BrokerUnavailableError: whether they were written is not known, and
    writing them again does no harm.
    """
    doing = f"writing to {topic}"
    producer = AIOKafkaProducer(
        **connection, enable_idempotence=True, max_request_size=MAX_ENVELOPE_BYTES + _HEAD_BYTES
    )
    try:
        with our_broker_errors(doing):
            await bounded(producer.start(), doing)
            sent = [await producer.send(topic, value, key=key.encode(), partition=0) for key, value in records]
            await bounded(asyncio.gather(*sent), doing)
    finally:
        await producer.stop()

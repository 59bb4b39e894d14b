"""Look at a topic as it stands, without a group, a key or a trace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.topics import preflight
from aegis_stream.errors import BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


async def first_value(
    connection: Mapping[str, Any], topic: str, *, fits: Callable[[bytes], bool], timeout_s: float = 30.0
) -> bytes:
    """Return the first record value from the beginning of a topic for which `fits` is true; waits for one.

    Raises BrokerError (no such topic), BrokerUnavailableError (unreachable; timeout, where none came).
    """
    await preflight(connection, topics=[topic])
    consumer = AIOKafkaConsumer(topic, **connection, auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        with our_broker_errors(f"reading {topic}"):
            async with asyncio.timeout(timeout_s):
                await consumer.start()
                async for record in consumer:
                    if record.value is not None and fits(record.value):
                        value: bytes = record.value
                        return value
    except TimeoutError:
        pass
    finally:
        await consumer.stop()
    raise BrokerUnavailableError(
        BrokerReason.TIMEOUT, f"no such record on {topic} within {timeout_s:g} s", remedy="see that the enricher runs"
    )

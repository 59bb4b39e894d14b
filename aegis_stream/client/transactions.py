"""What every producer here does alike: one transaction with bounded waits, outcomes nobody waits for, the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka.errors import KafkaError, ProducerFenced

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiokafka import AIOKafkaProducer

    from aegis_stream.errors import BrokerError

T = TypeVar("T")

STOP_S = 10


class _FencedError(Exception):
    """Another producer of the same transactional id has begun."""


async def transact(
    producer: AIOKafkaProducer, work: Callable[[], Awaitable[T]], *, doing: str, fenced: BrokerError
) -> T:
    """Do the work in one transaction and return what it gives, once that is committed.

    doing: what is said of it in errors.  Raises `fenced`: another process has taken over; BrokerError,
    BrokerUnavailableError: it is not known whether it was committed.
    """
    with suppress(_FencedError), our_broker_errors(doing):
        return await bounded(_transaction(producer, work), doing)
    raise fenced  # out here, so that the client's own error is not told beside it


async def _transaction(producer: AIOKafkaProducer, work: Callable[[], Awaitable[T]]) -> T:
    try:
        async with producer.transaction():
            return await work()
    except ProducerFenced:
        raise _FencedError from None


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """Close; a producer that was fenced or cut off may not close in good order, which changes nothing."""
    try:
        async with asyncio.timeout(STOP_S):
            await producer.stop()
    except (KafkaError, TimeoutError, AssertionError):
        return


def look_at(sent: asyncio.Future[Any]) -> None:
    """Look at an outcome that nobody waits for any more, or asyncio would log it as forgotten."""
    if not sent.cancelled():
        sent.exception()

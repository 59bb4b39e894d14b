"""Write opened records back to the raw topic: in order, each once, and not one after its deadline.

The producer is idempotent, so a record behind one that failed is not written either.  It never gives up by itself, so
it is abandoned at the deadline: whoever takes over afterwards may rely on nothing more coming.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.dead_letters.topics import ATTEMPT_HEADER
from aegis_stream.client.transactions import look_at
from aegis_stream.errors import BrokerReason, BrokerUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from aegis_stream.sealing import OpenedRecord

WRITE_S = 10.0
"""How long after its marks were begun a batch may still be written."""

STOP_S = 1.0
_BATCH_BYTES = 16_384
_HEAD_BYTES = 93
_HEADER_HEAD_BYTES = 10
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Attempt(NamedTuple):
    """A record to be written, and what is told of the attempt in its header."""

    record: OpenedRecord
    attempt: str

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        """The record's own headers, and the one that tells the attempt; that of an earlier one is taken away."""
        own = [(name, value) for name, value in self.record.headers if name != ATTEMPT_HEADER]
        return [*own, (ATTEMPT_HEADER, self.attempt.encode())]

    @property
    def size(self) -> int:
        """The most bytes that a batch of this record alone takes."""
        size = _HEAD_BYTES + len(self.record.key or b"") + len(self.record.value or b"")
        return size + sum(_HEADER_HEAD_BYTES + len(name.encode()) + len(value or b"") for name, value in self.headers)


def new_attempt() -> str:
    """Return 32 hex digits that nobody can guess: a producer must not be able to feign a replay."""
    return secrets.token_hex(16)


def moment() -> float:
    """Return seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class RawWriter:
    """An async context manager over one producer."""

    def __init__(self, connection: Mapping[str, Any], topic: str, *, max_message_bytes: int) -> None:
        """Connect nothing yet; max_message_bytes: the topic's own setting."""
        self._topic = topic
        self._doing = f"writing to {topic}"
        self._producer = AIOKafkaProducer(
            **connection,
            acks="all",
            enable_idempotence=True,
            max_batch_size=min(_BATCH_BYTES, max_message_bytes),
            max_request_size=max_message_bytes,
        )

    async def __aenter__(self) -> Self:
        """Connect.  Raises BrokerUnavailableError."""
        try:
            with our_broker_errors(self._doing):
                await bounded(self._producer.start(), self._doing)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go what is still under way: by now it was acknowledged, or nobody knows."""
        await self._stop()

    async def write(self, attempts: Sequence[Attempt], *, partition: int, before: float) -> list[int]:
        """Write records to one partition and return their offsets; `before`: the deadline, as `moment()` tells it.

        Raises BrokerError; BrokerUnavailableError: what was written is not known.  The writer cannot be used again.
        """
        left = before - moment()
        if left > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    with our_broker_errors(self._doing):
                        return await self._written(attempts, partition)
        raise BrokerUnavailableError(
            BrokerReason.TIMEOUT,
            f"{self._doing}: not acknowledged within {WRITE_S:g} s",
            remedy="run the command again: it finds out what was written and goes on behind it",
        )

    async def _written(self, attempts: Sequence[Attempt], partition: int) -> list[int]:
        sent = []
        for each in attempts:
            key, value = each.record.key, each.record.value
            one = await self._producer.send(self._topic, value, key=key, partition=partition, headers=each.headers)
            one.add_done_callback(look_at)
            sent.append(one)
        return [(await one).offset for one in sent]

    async def _stop(self) -> None:
        sender = self._producer._sender  # noqa: SLF001 - `stop` alone would write out what nobody waits for any more
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(STOP_S):
                await self._producer.stop()
        if sender.sender_task is not None:
            sender.sender_task.cancel()
        await self._producer.client.close()

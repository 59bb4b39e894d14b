"""Write to the control topic as the rotation agent does: one change, one transaction, one writer at a time.

The transactional id is fixed, so starting a writer ends whatever an earlier one left open and fences that one: what it
still tries to write is refused.  Only the agent and `aegis keys init` may hold one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.transactions import look_at, stop_producer, transact
from aegis_stream.client.writer_ids import AGENT_ROLE, writer_id
from aegis_stream.errors import BrokerError, BrokerReason
from aegis_stream.keyring.dsse import MAX_ENVELOPE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRANSACTION_TIMEOUT_MS = 10_000  # a transaction left open by a crash hides later records from followers for so long
_HEAD_BYTES = 65_536


class ControlWriter:
    """A transactional producer for one deployment's control topic; an async context manager."""

    def __init__(self, connection: Mapping[str, Any], topic: str, *, deployment: str, role: str = AGENT_ROLE) -> None:
        """Nothing is connected yet; `connection` are keyword arguments of an aiokafka client.

        role: whose writer it is; of each role a deployment has one at a time.
        """
        self._role = role
        self._topic = topic
        self._doing = f"writing to {topic}"
        self._producer = AIOKafkaProducer(
            **connection,
            transactional_id=writer_id(deployment, role),
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            max_request_size=MAX_ENVELOPE_BYTES + _HEAD_BYTES,
        )

    async def __aenter__(self) -> Self:
        """Connect, and fence any earlier writer.  Raises BrokerUnavailableError."""
        try:
            with our_broker_errors(self._doing):
                await bounded(self._producer.start(), self._doing)
        except BaseException:
            await stop_producer(self._producer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await stop_producer(self._producer)

    async def write(self, records: Sequence[tuple[str, bytes | None]]) -> list[int]:
        """Write (key, value) pairs in their order as one transaction; a value of None is a tombstone.

        Returns their offsets once the transaction is committed.  After a failure it is not known whether it was: leave
        this writer, begin another and read the topic.

        Raises BrokerError(FENCED): another agent has taken over; BrokerError(TOPIC_SETTINGS): a record is too large;
        BrokerUnavailableError.
        """
        fenced = BrokerError(
            BrokerReason.FENCED,
            f"another {self._role} of this deployment has taken over",
            remedy="run one of them only; stop the other before this one is started again",
        )
        try:
            return await transact(self._producer, lambda: self._written(records), doing=self._doing, fenced=fenced)
        except BrokerError as error:
            if error is fenced:
                await stop_producer(self._producer)
            raise

    async def _written(self, records: Sequence[tuple[str, bytes | None]]) -> list[int]:
        sent = []
        for key, value in records:
            one = await self._producer.send(self._topic, value, key=key.encode(), partition=0)
            one.add_done_callback(look_at)
            sent.append(one)
        return [(await one).offset for one in sent]

"""Writes re-encrypted history: a batch, the offsets read up to it and the tallies, all in one transaction.

The transactional id is the job's, so whoever starts ends what an earlier process left open and fences that one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.control_session import bounded
from aegis_stream.client.transactions import look_at, stop_producer, transact
from aegis_stream.errors import BrokerError, BrokerReason
from topologies.recrypt import Fate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka import ConsumerRecord

    from topologies.batches import SizeLimits
    from topologies.recrypt import Outcome
    from topologies.reencrypt_job import Job

TRANSACTION_TIMEOUT_MS = 60_000
BATCH_BYTES = 524_288


class HistoryWriter:
    """A transactional producer for one job; an async context manager."""

    def __init__(  # noqa: PLR0913 - all by name but one
        self,
        connection: Mapping[str, Any],
        *,
        name: str,
        target: str,
        refused_topic: str,
        limits: SizeLimits,
        compression: str,
    ) -> None:
        """Connect nothing yet.  name: the job's.  limits: max.message.bytes of `target` and `refused_topic`."""
        self._name, self._target, self._refused_topic = name, target, refused_topic
        self._doing = f"writing to {target}"
        self._producer = AIOKafkaProducer(
            **connection,
            transactional_id=name,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            compression_type=None if compression == "none" else compression,
            max_batch_size=min(BATCH_BYTES, *limits),
            max_request_size=max(limits),
        )

    async def __aenter__(self) -> Self:
        """Connect, and fence any earlier process.  Raises BrokerError, BrokerUnavailableError."""
        try:
            with our_broker_errors(self._doing):
                await bounded(self._producer.start(), self._doing)
        except BaseException:
            await stop_producer(self._producer)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; an open transaction is left to the broker and to the next process."""
        await stop_producer(self._producer)

    async def write(self, records: Sequence[ConsumerRecord], outcomes: Sequence[Outcome], job: Job) -> None:
        """Write what became of these records, and where `job` stands behind them.

        Raises BrokerError(FENCED): another process has taken over; BrokerError, BrokerUnavailableError: nothing was
        written, or it is not known whether it was: begin another life, which reads how far this one came.
        """
        fenced = BrokerError(
            BrokerReason.FENCED,
            f"another process has taken over the job that writes {self._target}",
            remedy="run one process for each new topic",
        )
        await transact(self._producer, lambda: self._written(records, outcomes, job), doing=self._doing, fenced=fenced)

    async def _written(self, records: Sequence[ConsumerRecord], outcomes: Sequence[Outcome], job: Job) -> None:
        sent = []
        for record, outcome in zip(records, outcomes, strict=True):
            one = await self._producer.send(
                self._refused_topic if outcome.fate is Fate.REFUSED else self._target,
                outcome.value,
                key=outcome.key,
                partition=record.partition,
                timestamp_ms=record.timestamp,
                headers=outcome.headers,
            )
            one.add_done_callback(look_at)
            sent.append(one)
        await asyncio.gather(*sent)
        await self._producer.send_offsets_to_transaction(job.offsets(), self._name)

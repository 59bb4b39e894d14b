"""What the pipeline sends and commits through: Faust's producer and consumer, with waits that outlast an outage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.errors import KafkaTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from aiokafka.producer.message_accumulator import BatchBuilder
    from faust.types import TP

    from topologies.app import AegisApp


class BrokerDoor:
    """Sends batches to the two output topics and commits input offsets, through a started application."""

    def __init__(self, app: AegisApp, *, encrypted: str, dead_letter: str) -> None:
        """`encrypted`, `dead_letter`: names of the topics."""
        self._app = app
        self._encrypted = encrypted
        self._dead_letter = dead_letter

    def new_batch(self) -> BatchBuilder:
        """Return an empty batch."""
        return self._app.idempotent_producer.create_batch()

    async def send(self, batch: BatchBuilder, partition: int) -> Awaitable[object]:
        """Enqueue for the encrypted topic; the result resolves with the broker's acknowledgement, or raises."""
        return await self._enqueue(batch, self._encrypted, partition)

    async def send_dead_letters(self, batch: BatchBuilder, partition: int) -> Awaitable[object]:
        """Enqueue for the dead-letter topic, likewise."""
        return await self._enqueue(batch, self._dead_letter, partition)

    async def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit; False where the group has moved on."""
        return await self._app.bulk_consumer.commit_offsets(offsets)

    async def _enqueue(self, batch: BatchBuilder, topic: str, partition: int) -> Awaitable[object]:
        """Repeat as long as there is no room: what timed out here was not enqueued, and the broker may come back.

        aiokafka queues one batch a partition and keeps the order of batches, also when it sends one again.
        """
        producer = self._app.idempotent_producer
        while True:
            try:
                acknowledgement: Awaitable[object] = await producer.send_batch(batch, topic, partition=partition)
            except KafkaTimeoutError:
                continue
            return acknowledgement

"""Faust's transport with the two parts of ours: an idempotent producer and a consumer of whole record lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.transport.drivers import aiokafka as driver

from topologies.bulk_consumer import BulkConsumer
from topologies.logs import SERVICE_LOG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka import AIOKafkaProducer

__all__ = ["AegisTransport", "IdempotentProducer"]


class IdempotentProducer(driver.Producer):
    """A producer whose later records in a partition fail too when an earlier one failed.

    The readers' rule, to drop what is not above the highest source offset seen, loses events without this: a plain
    producer may write record 26 although the broker refused record 25, and the repeat of 25 then looks old.
    """

    logger = SERVICE_LOG

    def _settings_extra(self) -> Mapping[str, Any]:
        return {**super()._settings_extra(), "acks": "all", "enable_idempotence": True}

    async def on_start(self) -> None:
        """Start, and make sure that the broker's client took the setting."""
        await super().on_start()
        if self.client_producer._txn_manager is None:  # noqa: SLF001 - nothing public tells it
            raise RuntimeError("the producer is not idempotent")

    @property
    def client_producer(self) -> AIOKafkaProducer:
        """The aiokafka producer itself, for `create_batch` and `send_batch`."""
        return self._ensure_producer()


class AegisTransport(driver.Transport):
    """What an AegisApp speaks to Kafka with."""

    Consumer = BulkConsumer
    Producer = IdempotentProducer

"""The producer of raw events: checks them against the schema, writes them in order, waits for the broker's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.topics import preflight
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.errors import ConfigurationError, SchemaRefusedError
from aegis_stream.schema_store import event_validator

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

_BATCH_BYTES = 131_072


class Written(NamedTuple):
    """Where the broker put a record."""

    topic: str
    partition: int
    offset: int


class EventProducer:
    """Writes raw events: `async with EventProducer(…) as producer: await producer.send(event)`.

    The producer is idempotent and waits for all replicas in sync, so an event stands on the topic once and in the
    order in which it was sent.  Raw events hold personal data in the clear: who may read the raw topic is the
    broker's to say.
    """

    def __init__(
        self,
        *,
        connection: Mapping[str, Any],
        topic: str,
        validate: bool = True,
        compression: str = "none",
        linger_ms: int = 5,
    ) -> None:
        """Write nothing yet.

        connection: see `connection_kwargs`.  validate: refuse what schemas/raw-event.schema.json does not allow;
        without it any JSON object goes.  compression: none, gzip, snappy, lz4 or zstd.
        """
        self._connection = dict(connection)
        self._topic = topic
        self._validator = event_validator() if validate else None
        self._options = {
            "acks": "all",
            "enable_idempotence": True,
            "linger_ms": linger_ms,
            "compression_type": None if compression == "none" else compression,
            "max_batch_size": _BATCH_BYTES,
        }
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Look whether the topic is there, and reach the broker.  Raises BrokerError."""
        await preflight(self._connection, topics=[self._topic])
        producer = AIOKafkaProducer(**self._connection, **self._options)
        with our_broker_errors("reaching the broker"):
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
        self._producer = producer

    async def stop(self) -> None:
        """Write out what is under way and go."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def __aenter__(self) -> Self:
        """Reach the broker."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write out what is under way and go."""
        await self.stop()

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """Check one event and return its JSON.

        Raises SchemaRefusedError (rule and path, never the value), EventRefusedError (a value JSON does not have).
        """
        raw = strict_dumps(event)
        if self._validator is not None:
            fault = self._validator.fault(event)
            if fault is not None:
                raise SchemaRefusedError(fault.rule, fault.path)
        return raw

    async def send(
        self,
        event: Mapping[str, Any],
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> Written:
        """Check one event, write it and return where it stands, once the broker has acknowledged it.

        key: chooses the partition; the enricher turns it into a pseudonym.  Raises as `encode`, and BrokerError.
        """
        (written,) = await self.send_many([(key, event)], partition=partition, headers=headers)
        return written

    async def send_many(
        self,
        events: Iterable[tuple[bytes | None, Mapping[str, Any]]],
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> list[Written]:
        """Check (key, event) pairs, write them together and return where each stands; all are checked before any goes.

        Raises as `send`.
        """
        if self._producer is None:
            raise ConfigurationError("this producer is not started", remedy="use `async with`")
        encoded = [(key, self.encode(event)) for key, event in events]
        with our_broker_errors(f"writing to {self._topic}"):
            waiting: list[Future[Any]] = [
                await self._producer.send(self._topic, raw, key=key, partition=partition, headers=list(headers))
                for key, raw in encoded
            ]
            places = [await acknowledged for acknowledged in waiting]
        return [Written(place.topic, place.partition, place.offset) for place in places]

"""Decoder for FastStream's Kafka broker.

    decoder = EventDecoder.following(load_settings())
    broker = KafkaBroker(…)
    app = FastStream(broker, lifespan=decoder.lifespan)

    @broker.subscriber("aegis.encrypted", group_id="billing", decoder=decoder, ack_policy=AckPolicy.NACK_ON_ERROR)
    async def handle(event: dict[str, Any]) -> None: …

A refused record raises RecordRefusedError before the handler runs; see docs/clients.md for what may become of it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from aegis_stream.client.opening import Opening
from aegis_stream.client.reading import open_decryptor
from aegis_stream.client.received import EmptyRecord, ReceivedEvent, RefusedRecord
from aegis_stream.errors import ConfigurationError, RecordRefusedError

try:
    from faststream.message import AckStatus
except ImportError as missing:
    msg = "FastStream is not installed: pip install 'aegis-stream[faststream]'"
    raise ImportError(msg, name=missing.name) from missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from faststream.kafka import KafkaMessage

    from aegis_stream.encryption import PIIDecryptor
    from aegis_stream.kek import KEKProvider
    from aegis_stream.settings import Settings

__all__ = ["EventDecoder"]

Decoded: TypeAlias = "dict[str, Any] | ReceivedEvent | None"

_CONTROL_WAIT_S = 10.0


class EventDecoder:
    """`decoder=` of a subscriber to the encrypted topic, of single records or batches."""

    def __init__(
        self,
        decryptor: PIIDecryptor | None,
        *,
        refresh_keys: Callable[[], Awaitable[None]] | None = None,
        control_wait_s: float = _CONTROL_WAIT_S,
        whole: bool = False,
    ) -> None:
        """Take a decryptor over any `DekSource`; None where `following` brings one later.

        refresh_keys: see EventConsumer.  whole: hand out ReceivedEvent, with source and DEK version, instead of the
        event alone.
        """
        self._opening: Opening | None = None
        self._settings: Settings | None = None
        self._keks: Sequence[KEKProvider] | None = None
        self._whole = whole
        if decryptor is not None:
            self._opening = Opening(decryptor, refresh_keys=refresh_keys, wait_s=control_wait_s)

    @classmethod
    def following(
        cls, settings: Settings, *, keks: Sequence[KEKProvider] | None = None, whole: bool = False
    ) -> EventDecoder:
        """Return a decoder with a deployment's keys, which it follows during `lifespan`.  keks: see `open_consumer`."""
        decoder = cls(None, whole=whole)
        decoder._settings, decoder._keks = settings, keks
        return decoder

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Follow the control topic while the application runs: `FastStream(broker, lifespan=decoder.lifespan)`.

        Raises BrokerError, ManifestRefusedError, KEKError, ConfigurationError.
        """
        settings = self._settings
        if settings is None:  # its keys are there already
            yield
            return
        async with open_decryptor(settings, keks=self._keks) as (decryptor, refresh_keys):
            self._opening = Opening(decryptor, refresh_keys=refresh_keys, wait_s=settings.control_wait_s)
            try:
                yield
            finally:
                self._opening = None

    async def __call__(self, message: KafkaMessage) -> Decoded | list[Decoded]:
        """Open a record, or all records of a batch; the first that is refused raises, and nothing is handed out.

        A record without key and value is None.  Raises RecordRefusedError, KeyringStaleError, KEKError,
        BrokerUnavailableError; ConfigurationError: the record counts as done before it was looked at, so a refused one
        would be passed over.
        """
        if message.committed is AckStatus.ACKED:
            raise ConfigurationError(
                "this subscriber acknowledges records before it reads them: a refused one would be passed over",
                remedy="give it ack_policy=AckPolicy.NACK_ON_ERROR, or MANUAL",
            )
        if self._opening is None:
            msg = "these keys are not followed; use FastStream(broker, lifespan=decoder.lifespan)"
            raise RuntimeError(msg)
        batch = isinstance(message.raw_message, tuple)
        records: Sequence[Any] = message.raw_message if batch else (message.raw_message,)
        decoded = [self._handed_out(item) for item in await self._opening.open(records)]
        return decoded if batch else decoded[0]

    def _handed_out(self, item: ReceivedEvent | RefusedRecord | EmptyRecord) -> Decoded:
        if isinstance(item, RefusedRecord):
            place = (item.topic, item.partition, item.offset)
            raise RecordRefusedError(item.reason, item.path, dek_version=item.dek_version, place=place)
        if isinstance(item, EmptyRecord):
            return None
        return item if self._whole else item.event

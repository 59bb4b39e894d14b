"""Dead letters: a refused record, sealed whole to the active DEK, with where it came from and why in its headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.errors import BrokerError, BrokerReason, TooLongError
from aegis_stream.sealing import SourceRecord, seal_record
from topologies.batches import batch_bytes

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

    from aegis_stream.errors import WriteReason
    from topologies.side_doors import Headers
    from topologies.writer import Writer


class DeadLetter(NamedTuple):
    """Value and headers; it has no key.  `complete` is False where the format had no room for the headers."""

    value: bytes
    headers: list[tuple[str, bytes | None]]
    complete: bool


def seal_dead_letter(
    record: ConsumerRecord[bytes | None, bytes | None], reason: WriteReason, writer: Writer, *, max_bytes: int
) -> DeadLetter:
    """Seal a raw record.  `max_bytes`: max.message.bytes of the topic it goes to.

    Raises BrokerError(TOPIC_SETTINGS): it is too large for that topic; nothing may be passed over it.
    """
    source = SourceRecord(record.topic, record.partition, record.offset)
    place = f"{source.topic}/{source.partition}/{source.offset}"
    value, complete = _sealed(record, record.headers, source, reason, writer), True
    if value is None:
        value, complete = _sealed(record, (), source, reason, writer), False
    headers: list[tuple[str, bytes | None]] = [
        ("aegis-dek-version", writer.dek_version.encode()),
        ("aegis-source", place.encode()),
        ("aegis-reason", reason.value.encode()),
    ]
    needed = batch_bytes(None, value, headers)
    if value is None or needed > max_bytes:
        raise BrokerError(
            BrokerReason.TOPIC_SETTINGS,
            f"the dead letter of {place} ({reason}) takes {needed:,} bytes, its topic no more than {max_bytes:,}",
            remedy=f"raise max.message.bytes of the dead-letter topic to {needed:,} or more, then start again",
        )
    return DeadLetter(value, headers, complete)


def _sealed(
    record: ConsumerRecord[bytes | None, bytes | None],
    headers: Headers,
    source: SourceRecord,
    reason: WriteReason,
    writer: Writer,
) -> bytes | None:
    """Return the sealed record; None where a header's name, or their number, is beyond what the format holds."""
    try:
        return seal_record(
            dek_public_key=writer.dek_public_key,
            dek_version=writer.dek_version,
            source=source,
            reason=reason,
            key=record.key,
            value=record.value,
            headers=headers,
        )
    except TooLongError:
        return None

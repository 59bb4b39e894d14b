"""What a reader hands out: an event, or a record that was refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from aegis_stream.errors import ReadReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedEvent:
    """A verified and decrypted event, and the record that carried it.

    event: the event as its producer wrote it (its repr is not shown: it holds personal data).
    timestamp_ms: the raw record's, milliseconds since 1970.  source: "topic/partition/offset" of the raw record, None
    where no enricher wrote the event.
    """

    event: dict[str, Any] = field(repr=False)
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)
    dek_version: str
    source: str | None

    def refused(self, reason: ReadReason, path: str) -> RefusedRecord:
        """Return the same record as one that is refused after all; its plaintext stays behind."""
        return RefusedRecord(
            topic=self.topic,
            partition=self.partition,
            offset=self.offset,
            reason=reason,
            path=path,
            dek_version=self.dek_version,
            key=self.key,
            value=None,
            headers=self.headers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRecord:
    """A record of the encrypted topic that broke a rule; nothing of it was released.

    value is what stood there: it may hold plaintext that somebody put where none belongs, so it is not shown either.
    """

    topic: str
    partition: int
    offset: int
    reason: ReadReason
    path: str
    dek_version: str
    key: bytes | None = field(repr=False)
    value: bytes | None = field(repr=False)
    headers: tuple[tuple[str, bytes], ...] = field(repr=False)


class EmptyRecord(NamedTuple):
    """A record without key and value, which an enricher passes on as it is: there is nothing in it to read."""

    topic: str
    partition: int
    offset: int

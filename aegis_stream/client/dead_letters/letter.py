"""A dead letter as anybody may see it: where its record came from and why it was refused, and nothing of its content.

The id of a dead letter is its source, "topic/partition/offset" of the refused record: an enricher that starts again may
seal one record twice, and both letters are one thing to an operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.errors import WriteReason
from aegis_stream.sealing import SourceRecord
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

DEK_VERSION_HEADER = "aegis-dek-version"
SOURCE_HEADER = "aegis-source"
REASON_HEADER = "aegis-reason"

_SOURCE = re.compile(r"([A-Za-z0-9._-]{1,249})/(0|[1-9][0-9]{0,9})/(0|[1-9][0-9]{0,18})", re.ASCII)
_REASONS = {reason.value: reason for reason in WriteReason}


class Place(NamedTuple):
    """Where a sealed record stands on the dead-letter topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One sealed record.  sealed_at_ms: milliseconds since 1970.  size: of the sealed value, bytes."""

    source: SourceRecord
    reason: WriteReason
    dek_version: str
    place: Place
    sealed_at_ms: int
    size: int

    @property
    def id(self) -> str:
        """Its source, "topic/partition/offset"."""
        return source_text(self.source)


def source_text(source: SourceRecord) -> str:
    """Return "topic/partition/offset"."""
    return f"{source.topic}/{source.partition}/{source.offset}"


def parse_source(text: str) -> SourceRecord | None:
    """Read "topic/partition/offset"; None where it is not of this form."""
    found = _SOURCE.fullmatch(text)
    return None if found is None else SourceRecord(found[1], int(found[2]), int(found[3]))


def letter_of(record: ConsumerRecord[bytes | None, bytes | None]) -> Letter | None:
    """Read a record of the dead-letter topic by its headers; None where it is no dead letter."""
    headers = dict(record.headers)
    if record.value is None or record.key is not None or len(headers) != len(record.headers):
        return None
    texts = {name: _text(value) for name, value in headers.items()}
    if texts.keys() != {DEK_VERSION_HEADER, SOURCE_HEADER, REASON_HEADER}:
        return None
    source, reason = parse_source(texts[SOURCE_HEADER]), _REASONS.get(texts[REASON_HEADER])
    if source is None or reason is None or not is_dek_version(texts[DEK_VERSION_HEADER]):
        return None
    return Letter(
        source=source,
        reason=reason,
        dek_version=texts[DEK_VERSION_HEADER],
        place=Place(record.partition, record.offset),
        sealed_at_ms=record.timestamp,
        size=len(record.value),
    )


def _text(value: bytes | None) -> str:
    """Return a header's value, empty where it is absent or no ASCII: then it fits no form."""
    return "" if value is None or not value.isascii() else value.decode("ascii")

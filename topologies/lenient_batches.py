"""Kafka batches read without faith in header names.

Kafka says that a header's name is UTF-8, but no broker looks, and clients for some languages send any bytes.  aiokafka
refuses the whole fetch then, for ever: one record of one producer would stop the enricher.  Here such headers are left
out, and counted, and the record goes its way.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from aiokafka import ConsumerRecord
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy as DefaultRecordBatch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faust.types import TP

_HEAD = struct.Struct(">qi")
"""Base offset, and the length of what follows it."""

_MAGIC_AT = 16
_OLDEST_MAGIC = 2
"""Records have headers from this version of the format on."""

_ESCAPED = range(0xDC80, 0xDD00)
"""What `surrogateescape` makes of bytes that are not UTF-8."""


class LenientRecords(NamedTuple):
    """records: those from the wanted offset on.  next_offset: behind them.  dropped: headers that were left out."""

    records: list[ConsumerRecord[bytes | None, bytes | None]]
    next_offset: int
    dropped: int


def read_leniently(raw: bytes, place: TP, *, position: int, most: int) -> LenientRecords:
    """Read whole batches from `position` on, until there are `most` records or no further whole batch.

    Raises CorruptRecordException: a checksum is wrong, or it is a batch of a format without headers.
    """
    records: list[ConsumerRecord[bytes | None, bytes | None]] = []
    next_offset, dropped = position, 0
    for batch in _batches(raw):
        if len(records) >= most:
            break
        next_offset = max(next_offset, batch.next_offset)
        if batch.is_control_batch:
            continue
        for one in _lenient(batch):
            if one.offset < position:
                continue
            headers = tuple(
                header for header in one.headers if not any(ord(letter) in _ESCAPED for letter in header[0])
            )
            dropped += len(one.headers) - len(headers)
            key_bytes, value_bytes = (-1 if part is None else len(part) for part in (one.key, one.value))
            records.append(
                ConsumerRecord(
                    place.topic,
                    place.partition,
                    one.offset,
                    one.timestamp,
                    one.timestamp_type,
                    one.key,
                    one.value,
                    None,
                    key_bytes,
                    value_bytes,
                    headers,
                )
            )
    return LenientRecords(records, next_offset, dropped)


def _batches(raw: bytes) -> Iterator[DefaultRecordBatch]:
    start = 0
    while len(raw) - start > _MAGIC_AT:
        _, length = _HEAD.unpack_from(raw, start)
        end = start + _HEAD.size + length
        if end > len(raw):
            return  # the broker cuts the last one off where the fetch is full
        if raw[start + _MAGIC_AT] < _OLDEST_MAGIC:
            raise CorruptRecordException
        batch = DefaultRecordBatch(raw[start:end])
        if not batch.validate_crc():
            raise CorruptRecordException
        yield batch
        start = end


def _lenient(batch: DefaultRecordBatch) -> DefaultRecordBatch:
    """Make a batch decode header names leniently, by the bytes that it reads them from."""
    iter(batch)  # uncompresses
    batch._buffer = _Lenient(batch._buffer)  # noqa: SLF001 - its reader has no other door
    return batch


class _Lenient(bytearray):
    """Bytes whose slices decode anything."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice, as a bytearray's own
        found = super().__getitem__(index)
        return _Name(found) if isinstance(index, slice) else found


class _Name(bytearray):
    """A slice; only header names are decoded."""

    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return bytes(self).decode(encoding, "surrogateescape")

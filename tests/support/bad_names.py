"""Record batches as clients of other languages may send them: header names that are not UTF-8."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Self

from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

if TYPE_CHECKING:
    from collections.abc import Sequence

    Part = tuple[bytes | None, bytes | None, Sequence[tuple[str | bytes, bytes | None]]]


class _Raw(str):
    """A name that encodes to any bytes."""

    __slots__ = ("raw",)

    def __new__(cls, raw: bytes) -> Self:
        made = super().__new__(cls, "raw")
        made.raw = raw
        return made

    def encode(self, *_: object) -> bytes:  # type: ignore[override]
        return self.raw


def builder_of(records: Sequence[Part], *, codec: int = 0) -> _DefaultRecordBatchBuilderPy:
    """Return a filled builder; a header's name may be bytes.  codec: Kafka's number of a compression."""
    builder = _DefaultRecordBatchBuilderPy(2, codec, 0, -1, -1, 0, 1 << 30)
    for offset, (key, value, headers) in enumerate(records):
        names = [(_Raw(name) if isinstance(name, bytes) else name, content) for name, content in headers]
        builder.append(offset, int(time.time() * 1000), key, value, names)
    return builder


def batch_of(records: Sequence[Part], *, base: int, codec: int = 0) -> bytes:
    """Return a batch as a broker gives it, at base offset `base` (which the checksum does not cover)."""
    raw = bytearray(builder_of(records, codec=codec).build())
    struct.pack_into(">q", raw, 0, base)
    return bytes(raw)

"""Kafka batches being filled, and how much goes into one.

max.message.bytes of a topic bounds a batch as it is sent.  It is held against the size before compression, which is
never smaller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiokafka.producer.message_accumulator import BatchBuilder

    from topologies.side_doors import Headers

BATCH_HEAD_BYTES = 61
"""What Kafka puts before the records of a batch."""

RECORD_HEAD_BYTES = 32
"""The most that Kafka adds to a record without headers: lengths, attributes, deltas, number of headers."""

HEADER_HEAD_BYTES = 10
"""The most that Kafka adds to a header: two lengths."""


class SizeLimits(NamedTuple):
    """max.message.bytes of the two topics that are written, in bytes."""

    encrypted: int
    dead_letter: int


def batch_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """Return the most bytes that a batch of this one record takes, uncompressed."""
    size = BATCH_HEAD_BYTES + RECORD_HEAD_BYTES + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += HEADER_HEAD_BYTES + len(name.encode()) + len(content or b"")
    return size


class Batches:
    """A row of batches, filled in order; a record that is larger than a batch gets one of its own."""

    __slots__ = ("_batch", "_full", "_new_batch")

    def __init__(self, new_batch: Callable[[], BatchBuilder]) -> None:
        """`new_batch` makes an empty one, whose own limit says when it is full."""
        self._new_batch = new_batch
        self._full: list[BatchBuilder] = []
        self._batch: BatchBuilder | None = None

    def append(
        self, timestamp: int | None, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
    ) -> None:
        """Add one record; `timestamp` in milliseconds, None for now."""
        batch = self._batch
        if batch is None or batch.append(timestamp=timestamp, key=key, value=value, headers=headers) is None:
            if batch is not None:
                self._full.append(batch)
            self._batch = batch = self._new_batch()
            batch.append(timestamp=timestamp, key=key, value=value, headers=headers)  # the first always fits

    def close(self) -> list[BatchBuilder]:
        """Return all batches, ready to be sent."""
        if self._batch is not None:
            self._full.append(self._batch)
        for batch in self._full:
            batch.close()
        return self._full

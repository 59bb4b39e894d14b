"""Raw records as aiokafka's consumer gives them, for tests without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import ConsumerRecord
from faust.types import TP

from topologies.record_list import RecordList

if TYPE_CHECKING:
    from collections.abc import Sequence

RAW = "raw"


def record(  # noqa: PLR0913 - a record has so many parts
    value: bytes | None,
    *,
    offset: int = 0,
    key: bytes | None = None,
    headers: Sequence[tuple[str, bytes | None]] = (),
    timestamp: int = 1_700_000_000_000,
    partition: int = 0,
) -> ConsumerRecord[bytes | None, bytes | None]:
    """Return one record of the topic `raw`."""
    size = -1 if value is None else len(value)
    return ConsumerRecord(RAW, partition, offset, timestamp, 0, key, value, None, -1, size, tuple(headers))


def record_list(
    values: Sequence[bytes | ConsumerRecord[bytes | None, bytes | None] | None],
    *,
    first: int = 0,
    partition: int = 0,
    generation: int = 1,
) -> RecordList:
    """Return a list of records at the offsets from `first`; whole records are taken as they are."""
    records = [
        one if isinstance(one, ConsumerRecord) else record(one, offset=first + index, partition=partition)
        for index, one in enumerate(values)
    ]
    return RecordList(TP(RAW, partition), generation, records)

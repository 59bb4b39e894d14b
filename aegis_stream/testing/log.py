"""Two topics in memory, and what consumer groups have committed."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.client import Written
from aegis_stream.errors import BrokerError, BrokerReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    Headers = Sequence[tuple[str, bytes | None]]

RAW, ENCRYPTED = "aegis.raw", "aegis.encrypted"


class MemoryRecord(NamedTuple):
    """What the library looks at in a consumer's record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class MemoryLog:
    """What stands on the topics.  committed: by group and partition, offset and metadata."""

    def __init__(self, partitions: int) -> None:
        """Begin empty."""
        self.partitions = partitions
        self.committed: defaultdict[str, dict[int, tuple[int, str]]] = defaultdict(dict)
        self._records: dict[str, list[list[MemoryRecord]]] = {
            topic: [[] for _ in range(partitions)] for topic in (RAW, ENCRYPTED)
        }

    def append(self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Headers) -> Written:
        """Put a record at the end of a partition.  Raises BrokerError(PARTITIONS): there is no such partition."""
        records = self.records(topic, partition)
        now_ms = int(now().timestamp() * 1000)
        records.append(MemoryRecord(topic, partition, len(records), now_ms, key, value, tuple(headers)))
        return Written(topic, partition, len(records) - 1)

    def records(self, topic: str, partition: int) -> list[MemoryRecord]:
        """Return the records of a partition themselves.  Raises as `append`."""
        if not 0 <= partition < self.partitions:
            raise BrokerError(BrokerReason.PARTITIONS, f"{topic} has no partition {partition}")
        return self._records[topic][partition]


def now() -> dt.datetime:
    """Return the present whole second."""
    return dt.datetime.now(dt.UTC).replace(microsecond=0)

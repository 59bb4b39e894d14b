"""Fetch records whose headers have names that are not UTF-8.

Kafka says that a header's name is UTF-8, but no broker looks.  aiokafka refuses the whole fetch then, at every attempt,
so one record of anybody who may write would stop every reader of the topic for ever.  The control topic has no use for
headers, so here they are read and let go.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException, LeaderNotAvailableError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy as DefaultRecordBatch

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

_HEAD = struct.Struct(">qi")
"""Base offset, and the length of what follows it."""

_MAGIC_AT = 16
_OLDEST_MAGIC = 2
"""Records have headers from this version of the format on."""

_WITH_REPLICA = 11
"""From this version of the answer on, the preferred replica stands between aborted transactions and records."""


async def fetch_leniently(consumer: AIOKafkaConsumer, place: TopicPartition) -> list[ConsumerRecord]:
    """Return the records of one fetch from the consumer's position on, and move the position behind them.

    To be called right after `getmany` of this one partition has raised UnicodeDecodeError: the position stands then
    before the records that it has lost.  Only committed ones where the consumer wants no others.  Raises KafkaError.
    """
    fetcher, client = consumer._fetcher, consumer._client  # noqa: SLF001 - no public door leads to the raw batches
    state = consumer._subscription.subscription.assignment.state_value(place)  # noqa: SLF001
    leader = client.cluster.leader_for_partition(place)
    if leader is None or leader == -1:
        raise LeaderNotAvailableError
    position = state.position
    partitions = [(place.partition, position, fetcher._max_partition_fetch_bytes)]  # noqa: SLF001
    isolation = fetcher._isolation_level  # noqa: SLF001
    request = FetchRequest(0, 1, fetcher._fetch_max_bytes, isolation, [(place.topic, partitions)])  # noqa: SLF001
    response = await client.send(leader, request)
    ((_, ((_, code, _, *parts),)),) = response.topics
    if code:
        raise for_code(code)
    aborted = parts[-3 if response.API_VERSION >= _WITH_REPLICA else -2]
    records = PartitionRecords(
        place,
        _LenientRecords(bytes(parts[-1])),
        aborted,
        position,
        None,
        None,
        True,  # noqa: FBT003 - aiokafka's own order: the checksums are looked at
        isolation,
    )
    found = list(records)
    fetcher._records.pop(place, None)  # noqa: SLF001 - the fetch that could not be read
    fetcher._notify(fetcher._wait_consume_future)  # noqa: SLF001
    state.consumed_to(records.next_fetch_offset)
    return found


class _LenientRecords:
    """The whole batches of a fetch, in the form that aiokafka reads them from."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._start = 0

    def has_next(self) -> bool:
        """Tell whether there is a further whole batch; the broker cuts the last one off where the fetch is full."""
        if len(self._raw) - self._start <= _MAGIC_AT:
            return False
        _, length = _HEAD.unpack_from(self._raw, self._start)
        return self._start + _HEAD.size + int(length) <= len(self._raw)

    def next_batch(self) -> DefaultRecordBatch:
        """Return it.  Raises CorruptRecordException: it is of a format without headers."""
        _, length = _HEAD.unpack_from(self._raw, self._start)
        raw = self._raw[self._start : self._start + _HEAD.size + length]
        if raw[_MAGIC_AT] < _OLDEST_MAGIC:
            raise CorruptRecordException
        self._start += len(raw)
        return _LenientBatch(raw)


class _LenientBatch(DefaultRecordBatch):  # type: ignore[misc]  # aiokafka is untyped
    """A batch that decodes any header name."""

    def __iter__(self) -> _LenientBatch:
        super().__iter__()  # uncompresses
        self._buffer: bytearray = _Lenient(self._buffer)
        return self


class _Lenient(bytearray):
    """Bytes whose slices decode anything."""

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a number or a slice, as a bytearray's own
        found = super().__getitem__(index)
        return _Name(found) if isinstance(index, slice) else found


class _Name(bytearray):
    """A slice; only header names are decoded."""

    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return bytes(self).decode(encoding, "replace")

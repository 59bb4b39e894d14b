"""Read everything that a partition still holds, whether committed, overwritten or aborted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.client.log_reader import LogReader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class RawRecord(NamedTuple):
    """A record as the log holds it; `timestamp_ms` is milliseconds since 1970."""

    key: bytes | None
    value: bytes | None
    offset: int
    timestamp_ms: int


async def raw_log(connection: Mapping[str, Any], topic: str, *, partition: int = 0) -> AsyncIterator[RawRecord]:
    """Yield every record from the first offset to the end that the partition has at the start, uncommitted ones too.

    Raises BrokerError: the topic is missing or refused; BrokerUnavailableError.
    """
    async with LogReader(connection, topic, committed=False) as reader:
        held = await reader.available()
        await reader.begin({partition: held[partition]})
        while not reader.finished:
            for record in await reader.fetch():
                yield RawRecord(record.key, record.value, record.offset, record.timestamp)

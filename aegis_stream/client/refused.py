"""What a re-encryption has refused, as its headers tell it: no key is needed, and nothing is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aegis_stream.client.log_reader import LogReader
from aegis_stream.client.spans import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiokafka import ConsumerRecord

_NAMES = ("aegis-source", "aegis-reason", "aegis-dek-version")


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPlace:
    """One refused record: where it stood in the old topic, why it was refused, and under which DEK it lies sealed.

    partition, offset: of the sealed record.
    """

    source: str
    reason: str
    sealed_under: str
    partition: int
    offset: int


async def read_refused(
    connection: Mapping[str, Any],
    topic: str,
    *,
    on_begin: Callable[[int], None] = lambda _offsets: None,
    on_records: Callable[[int], None] = lambda _records: None,
) -> list[RefusedPlace]:
    """Read a topic of refused records to its present end, in the order of its partitions.

    Raises BrokerError: it is missing or refused; BrokerUnavailableError.
    """
    places: list[RefusedPlace] = []
    async with LogReader(connection, topic) as reader:
        spans = await reader.spans(since=OPEN, until=OPEN)
        on_begin(sum(span.end - span.begin for span in spans.values()))
        await reader.begin(spans)
        while not reader.finished:
            records = await reader.fetch()
            places += [place for record in records if (place := _place(record)) is not None]
            on_records(len(records))
    return sorted(places, key=lambda place: (place.partition, place.offset))


def _place(record: ConsumerRecord) -> RefusedPlace | None:
    headers = {name: bytes(value or b"").decode("ascii", "replace") for name, value in record.headers}
    if any(name not in headers for name in _NAMES):
        return None
    source, reason, version = (headers[name] for name in _NAMES)
    return RefusedPlace(
        source=source, reason=reason, sealed_under=version, partition=record.partition, offset=record.offset
    )

"""Which letters are opened and written together, and their sealed values."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from aegis_stream.client.dead_letters.letter import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aegis_stream.client.dead_letters.letter import Letter
    from aegis_stream.client.dead_letters.partition_reader import PartitionReader

BATCH_LETTERS = 100
BATCH_BYTES = 8 * 1_048_576
_GAP = 200
"""Offsets that are cheaper to read and let go than to jump over."""


def batches_of(letters: Sequence[Letter]) -> Iterator[tuple[int, list[Letter]]]:
    """Yield a partition of the raw topic and letters for it, in the order of their sources."""
    ordered = sorted(letters, key=lambda letter: letter.source[1:])
    for partition, group in groupby(ordered, key=lambda letter: letter.source.partition):
        batch: list[Letter] = []
        size = 0
        for letter in group:
            if batch and (len(batch) == BATCH_LETTERS or size + letter.size > BATCH_BYTES):
                yield partition, batch
                batch, size = [], 0
            batch.append(letter)
            size += letter.size
        yield partition, batch


async def read_sealed(
    reader: PartitionReader, topic: str, letters: Sequence[Letter]
) -> list[tuple[Letter, bytes | None]]:
    """Return each letter with its sealed value, None where the topic no longer holds it.  Raises BrokerError."""
    values: dict[Place, bytes] = {}
    wanted = {letter.place for letter in letters}
    for partition, begin, end in _ranges(wanted):
        first, last = await reader.bounds(topic, partition)
        if max(begin, first) < min(end, last):
            async for records in reader.read(topic, partition, max(begin, first), min(end, last)):
                for record in records:
                    place = Place(partition, record.offset)
                    if place in wanted and record.value is not None:
                        values[place] = record.value
    return [(letter, values.get(letter.place)) for letter in letters]


def _ranges(places: set[Place]) -> Iterator[tuple[int, int, int]]:
    """Yield partition, begin and end of stretches that hold all places."""
    begin: Place | None = None
    last: Place | None = None
    for place in sorted(places):
        if begin is None or last is None or place.partition != last.partition or place.offset - last.offset > _GAP:
            if begin is not None and last is not None:
                yield begin.partition, begin.offset, last.offset + 1
            begin = place
        last = place
    if begin is not None and last is not None:
        yield begin.partition, begin.offset, last.offset + 1

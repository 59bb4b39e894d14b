"""Find out what an interrupted replay has written: its records tell the attempt in a header."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from aegis_stream.client.dead_letters.marks import Mark, MarkState
from aegis_stream.client.dead_letters.survey import LetterState, Standing
from aegis_stream.client.dead_letters.topics import ATTEMPT_HEADER

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from aegis_stream.client.dead_letters.partition_reader import PartitionReader


def settled(standing: Standing, found: int | None, *, held: tuple[int, int], now: dt.datetime) -> Standing:
    """Decide about one interrupted letter; pure.

    found: the offset of its record on the raw topic, None where it is not there.  held: the bounds of the raw
    partition, within which was looked for it; what lay before them is gone, and with it the answer.
    """
    mark = standing.mark
    if mark is None or mark.from_offset is None:
        return standing
    if found is not None:
        done = Mark(id=mark.id, state=MarkState.REPLAYED, at=now, replayed_offset=found)
        return replace(standing, state=LetterState.REPLAYED, mark=done)
    begin, end = held
    if begin <= mark.from_offset <= end:
        return replace(standing, state=LetterState.PENDING, mark=None)
    return replace(standing, state=LetterState.UNCERTAIN)


async def look_for_attempts(
    reader: PartitionReader, interrupted: Sequence[Standing], *, topic: str, partitions: int, now: dt.datetime
) -> list[Standing]:
    """Decide about interrupted letters by what stands on the raw topic (`topic`, with so many partitions).

    Raises BrokerError.
    """
    decided: list[Standing] = []
    for partition, group in _by_partition(interrupted):
        if partition >= partitions or any(each.letter.source.topic != topic for each in group):
            decided += [replace(each, state=LetterState.UNCERTAIN) for each in group]
            continue
        begin, end = await reader.bounds(topic, partition)
        starts = [
            each.mark.from_offset for each in group if each.mark is not None and each.mark.from_offset is not None
        ]
        wanted = {each.mark.attempt.encode() for each in group if each.mark is not None and each.mark.attempt}
        found: dict[bytes, int] = {}
        async for records in reader.read(topic, partition, max(begin, min(starts, default=end)), end):
            for record in records:
                for name, value in record.headers:
                    if name == ATTEMPT_HEADER and value in wanted:
                        found.setdefault(bytes(value), record.offset)
        for each in group:
            attempt = b"" if each.mark is None or each.mark.attempt is None else each.mark.attempt.encode()
            decided.append(settled(each, found.get(attempt), held=(begin, end), now=now))
    return decided


def _by_partition(standings: Sequence[Standing]) -> Iterator[tuple[int, list[Standing]]]:
    ordered = sorted(standings, key=lambda each: (each.letter.source.topic, each.letter.source[1:]))
    for (_, partition), group in groupby(ordered, key=lambda each: (each.letter.source[0], each.letter.source[1])):
        yield partition, list(group)

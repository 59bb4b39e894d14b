"""Which part of a topic is read: from and until offsets or times, partition by partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


class Span(NamedTuple):
    """Offsets of one partition: from `begin` on, and before `end`."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One end of what is read: an offset for each partition named, or a time for all; neither is the topic's own end.

    A time stands for the first record that is not older; where there is none, for the end of the partition.
    """

    offsets: Mapping[int, int] = field(default_factory=dict)
    time: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Refuse both at once.  Raises ConfigurationError."""
        if self.offsets and self.time is not None:
            raise ConfigurationError("a bound is either offsets or a time", remedy="leave one of them out")

    @property
    def given(self) -> bool:
        """Whether it bounds anything."""
        return bool(self.offsets) or self.time is not None


OPEN = Bound()


def clip(*, available: Mapping[int, Span], begin: Mapping[int, int], end: Mapping[int, int]) -> dict[int, Span]:
    """Return what of each partition is to be read; an empty span where that is nothing.

    available: what each partition holds.  begin, end: bounds of the partitions that have one.
    Raises ConfigurationError: a bound names a partition that the topic has not.
    """
    strangers = sorted((set(begin) | set(end)) - set(available))
    if strangers:
        raise ConfigurationError(
            f"the topic has no partition {strangers[0]}", remedy=f"it has {len(available)}, counted from 0"
        )
    spans = {}
    for partition, held in available.items():
        first = max(held.begin, begin.get(partition, held.begin))
        last = min(held.end, end.get(partition, held.end))
        spans[partition] = Span(first, max(first, last))
    return spans

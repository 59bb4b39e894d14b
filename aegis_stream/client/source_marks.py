"""The rule by which a reader sees every event once.

An enricher writes source partition p to output partition p and may, after a restart, repeat a tail.  So within one
output partition the source offsets of fresh events only rise, and whatever is not above the highest seen is a repeat.
Pure: no Kafka, no clock.
"""

from __future__ import annotations

import re
from contextlib import suppress
from enum import Enum, auto
from typing import NamedTuple

from aegis_stream.errors import EventUnreadableError, ReadReason

DEFAULT_REWIND_LIMIT = 100_000
TEXT_LIMIT = 3_000  # brokers take 4,096 bytes of metadata with a committed offset
_TEXT_PREFIX = "aegis-marks/1"
_SOURCE = re.compile(r"([A-Za-z0-9._-]{1,249})/(0|[1-9][0-9]{0,18})/(0|[1-9][0-9]{0,18})", re.ASCII)


class Source(NamedTuple):
    """Where a raw record stood: topic, partition, offset."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Source:
        """Split "topic/partition/offset", decimal without leading zeros.

        Raises EventUnreadableError(MALFORMED, /_aegis/src): any other text.
        """
        match = _SOURCE.fullmatch(text)
        if match is None:
            raise EventUnreadableError(ReadReason.MALFORMED, "/_aegis/src")
        return cls(match[1], int(match[2]), int(match[3]))


class Verdict(Enum):
    """What to do with a verified event."""

    DELIVER = auto()
    REPEAT = auto()


class SourceMarks:
    """The highest source offset seen, for each source partition within each output partition.

    Feed it verified events only: whoever can write to the encrypted topic could otherwise raise a mark and so hide
    genuine events.  One output partition holds the repeats of the source partitions that feed it, so marks of
    different output partitions never mix.
    """

    __slots__ = ("_marks", "_rewind_limit")

    def __init__(self, *, rewind_limit: int = DEFAULT_REWIND_LIMIT) -> None:
        """Refuse, rather than drop, what lies more than `rewind_limit` offsets below a mark."""
        self._marks: dict[int, dict[tuple[str, int], int]] = {}
        self._rewind_limit = rewind_limit

    def judge(self, partition: int, source: str | None) -> Verdict:
        """Say whether a verified event of output partition `partition` is new; a new one moves the mark.

        An event without a source (library use, no enricher) is always new: nothing says that it is a repeat.

        Raises EventUnreadableError: MALFORMED (no source form), SOURCE_REWOUND (the raw topic was made anew, or old
        events are being replayed; `accept_rewind` is for the operator who knows that it is the former).
        """
        if source is None:
            return Verdict.DELIVER
        topic, source_partition, offset = Source.parse(source)
        marks = self._marks.setdefault(partition, {})
        mark = marks.get((topic, source_partition))
        if mark is None or offset > mark:
            marks[topic, source_partition] = offset
            return Verdict.DELIVER
        if mark - offset > self._rewind_limit:
            raise EventUnreadableError(ReadReason.SOURCE_REWOUND, "/_aegis/src")
        return Verdict.REPEAT

    def accept_rewind(self, partition: int) -> None:
        """Forget the marks of one output partition, once, because its raw topic was made anew."""
        self._marks.pop(partition, None)

    def forget(self, partition: int) -> None:
        """Drop the marks of an output partition that this reader gave up: whoever has it now moves them on."""
        self._marks.pop(partition, None)

    def to_text(self, partition: int) -> str:
        """Return one output partition's marks as a line to keep beside its committed offset.

        `aegis-marks/1 topic/partition/offset …`; empty where there are none, or more than fit.
        """
        marks = self._marks.get(partition)
        if not marks:
            return ""
        text = " ".join([_TEXT_PREFIX, *(f"{topic}/{source}/{mark}" for (topic, source), mark in marks.items())])
        return text if len(text) <= TEXT_LIMIT else ""

    def restore(self, partition: int, text: str) -> bool:
        """Take the marks of `to_text`; False, and nothing changed, where it is any other text."""
        prefix, *entries = text.split(" ")
        sources = []
        with suppress(EventUnreadableError):
            sources = [Source.parse(entry) for entry in entries]
        if prefix != _TEXT_PREFIX or not sources:
            return False
        self._marks[partition] = {(source.topic, source.partition): source.offset for source in sources}
        return True

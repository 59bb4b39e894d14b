"""Dead letters by reason and partition, from their headers alone: no key, no value.

The enricher seals a record of source partition p to partition p.  Whoever may write to the topic can forge a letter, so
a reason that is none of the closed set is counted as "other".
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from aegis_stream.client.dead_letters import MarkState
from aegis_stream.client.dead_letters.marks import mark_of
from aegis_stream.errors import WriteReason
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from aegis_stream.client.tail import TopicRecord

OTHER = "other"
MOST_MARKS = 500_000
_LAST_MS = 4_102_444_800_000
"""The year 2100: record times are whatever a producer says."""
_REASONS = {reason.value.encode(): reason.value for reason in WriteReason}


class DeadLetterCounts:
    """Count every letter that was read."""

    def __init__(self) -> None:
        """Start at none."""
        self._counts: Counter[tuple[str, int]] = Counter()
        self._newest_ms = 0

    def note(self, letter: TopicRecord) -> None:
        """Count one."""
        headers = dict(letter.headers)
        reason = _REASONS.get(headers.get("aegis-reason") or b"", OTHER)
        self._counts[reason, letter.partition] += 1
        self._newest_ms = min(max(self._newest_ms, letter.timestamp), _LAST_MS)

    def by_reason(self) -> dict[str, int]:
        """Return how many there are of each reason."""
        found: Counter[str] = Counter()
        for (reason, _), count in self._counts.items():
            found[reason] += count
        return dict(sorted(found.items()))

    def shape(self) -> dict[str, Any]:
        """Return the table: a row a reason, a count a partition."""
        partitions = sorted({partition for _, partition in self._counts})
        rows = [
            {
                "reason": reason,
                "total": total,
                "partitions": [self._counts[reason, partition] for partition in partitions],
            }
            for reason, total in self.by_reason().items()
        ]
        newest = None
        if self._newest_ms > 0:
            newest = time_text(dt.datetime.fromtimestamp(self._newest_ms // 1000, dt.UTC))
        return {"partitions": partitions, "rows": rows, "total": self._counts.total(), "newest": newest}


class MarkCounts:
    """What became of dead letters, by their marks: the last one of each letter counts."""

    def __init__(self) -> None:
        """Nothing was marked."""
        self._states: dict[str, MarkState] = {}

    def note(self, record: TopicRecord) -> None:
        """Take one record of the topic of marks; what is none is passed over."""
        mark = mark_of(record.key, record.value)
        if mark is not None and (mark.id in self._states or len(self._states) < MOST_MARKS):
            self._states[mark.id] = mark.state

    def shape(self) -> dict[str, int]:
        """Return how many letters are in each state, every state named."""
        counts = Counter(self._states.values())
        return {state.value: counts[state] for state in MarkState}

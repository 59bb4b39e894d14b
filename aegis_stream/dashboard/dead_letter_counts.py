"""Dead letters by reason and partition, from their headers alone: no key, no value.

The enricher seals a record of source partition p to partition p.  Whoever may write to the topic can forge a letter, so
a reason that is none of the closed set is counted as "other".
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from aegis_stream.errors import WriteReason
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from aegis_stream.client.header_tail import Headed

OTHER = "other"
_LAST_MS = 4_102_444_800_000
"""The year 2100: record times are whatever a producer says."""
_REASONS = {reason.value.encode(): reason.value for reason in WriteReason}


class DeadLetterCounts:
    """Count every letter that was read."""

    def __init__(self) -> None:
        """Start at none."""
        self._counts: Counter[tuple[str, int]] = Counter()
        self._newest_ms = 0

    def note(self, letter: Headed) -> None:
        """Count one."""
        headers = dict(letter.headers)
        reason = _REASONS.get(headers.get("aegis-reason") or b"", OTHER)
        self._counts[reason, letter.partition] += 1
        self._newest_ms = min(max(self._newest_ms, letter.timestamp_ms), _LAST_MS)

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

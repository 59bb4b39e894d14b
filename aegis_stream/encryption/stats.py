"""Counts of what a writer did: names and reasons from closed sets, never a value."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aegis_stream.encryption.results import Protected, Rejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.pii import Classifier


class WriterStats:
    """Counts since the writer was made.

    events: protected.  bytes_in, bytes_out: of the protected events.  batches, sessions: as they say.
    fields: by the policy's spelling of their names.  rejected: by reason.
    """

    def __init__(self, classifier: Classifier) -> None:
        """Begin at zero; the classifier tells priorities."""
        self._classifier = classifier
        self.events = 0
        self.batches = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.sessions = 0
        self.fields: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()

    def count(self, raw: Sequence[bytes], results: Sequence[Protected | Rejected], labels: Sequence[str]) -> None:
        """Add one batch; labels are those of all its encrypted fields."""
        self.batches += 1
        self.fields.update(labels)
        for one, result in zip(raw, results, strict=True):
            if isinstance(result, Protected):
                self.events += 1
                self.bytes_in += len(one)
                self.bytes_out += len(result.value)
            else:
                self.rejected[result.reason] += 1

    def priority(self, label: str) -> str:
        """Return the priority of a field's name."""
        return self._classifier.priority(label)

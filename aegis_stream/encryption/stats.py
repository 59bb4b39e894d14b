"""Counts of what a writer did: names and reasons from closed sets, never a value."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aegis_stream.encryption.results import Protected, Rejected
from aegis_stream.encryption.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.pii import Classifier, Place

_SHAPES_MAX = 1024


class WriterStats:
    """Counts since the writer was made.

    events: protected.  bytes_in: of all events given.  bytes_out: of the protected ones as they are published.
    batches, sessions, engine: as they say.  rejected: by reason.
    """

    def __init__(self, classifier: Classifier, engine: str = "python") -> None:
        """Begin at zero; the classifier tells priorities.  engine: which one does the work, with its version."""
        self._classifier = classifier
        self.engine = engine
        self.events = 0
        self.batches = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.sessions = 0
        self.rejected: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()
        self._shapes: dict[tuple[Place, ...], Shape] = {}

    def shape(self, places: list[Place]) -> Shape:
        """Return the shape of an event's places; counting by shape is what makes counting by field cheap."""
        key = tuple(places)
        shape = self._shapes.get(key)
        if shape is None:
            shape = Shape(places)
            if not shape.keepable:
                self._fields.update(shape.labels)
                return shape
            if len(self._shapes) >= _SHAPES_MAX:
                self._fields = self.fields
                self._shapes.clear()
            self._shapes[key] = shape
        return shape

    @property
    def fields(self) -> Counter[str]:
        """Return how often each field was encrypted, by the policy's spelling of its name."""
        total = Counter(self._fields)
        for shape in list(self._shapes.values()):
            for label in shape.labels:
                total[label] += shape.events
        return total

    def add_fields(self, counts: Mapping[str, int]) -> None:
        """Add fields that were counted elsewhere."""
        self._fields.update(counts)

    def count(self, raw: Sequence[bytes], results: Sequence[Protected | Rejected]) -> None:
        """Add one batch."""
        values = [result.value for result in results if type(result) is Protected]
        self.batches += 1
        self.events += len(values)
        self.bytes_in += sum(map(len, raw))
        self.bytes_out += sum(map(len, values))
        if len(values) < len(results):
            self.rejected.update(result.reason for result in results if isinstance(result, Rejected))

    def priority(self, label: str) -> str:
        """Return the priority of a field's name."""
        return self._classifier.priority(label)

"""The shape of an event: which of its places are encrypted."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.pii import Place

_KEPT_CHARACTERS = 16_384


class Shape:
    """Events with the same encrypted places share the order of their commitments and the labels to count.

    events: how many were protected since the shape was first met.  keepable: its paths, which producers choose, are
    short enough to be remembered.
    """

    __slots__ = ("_count", "_in_order", "events", "keepable", "labels")

    def __init__(self, places: Sequence[Place]) -> None:
        """Work out the order of the paths' bytes, which is that of their code points."""
        self.events = 0
        self.keepable = sum(len(place.path) for place in places) <= _KEPT_CHARACTERS
        self.labels = [place.label for place in places]
        order = sorted(range(len(places)), key=[place.path for place in places].__getitem__)
        self._count = len(places).to_bytes(4, "big")
        self._in_order = itemgetter(*order) if len(order) > 1 else None

    def count_and_join(self, commitments: Sequence[bytes]) -> bytes:
        """Return u32(number of fields) ‖ their commitments in the order of their paths' bytes."""
        return self._count + b"".join(commitments if self._in_order is None else self._in_order(commitments))

"""What a benchmark gives back: figures, and whether they reach their target."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Figure = float | int | str

_US_PER_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the report.

    headline: the figure that counts, as text.  target: what it should be, as text, empty where there is none.
    holds: whether it is so.  figures: everything measured, by name with its unit.
    """

    benchmark: str
    subject: str
    headline: str
    target: str
    holds: bool
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Paired:
    """Seconds of the same work done by both sides in turn, round by round."""

    events: int
    """Events of one round."""
    ours_s: Sequence[float]
    peer_s: Sequence[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as fast we were, in each round."""
        return [peer / ours for ours, peer in zip(self.ours_s, self.peer_s, strict=True)]

    def outcome(self, benchmark: str, subject: str, *, at_least: float | None) -> Outcome:
        """Judge the median of the rounds' ratios: other work on the machine disturbs rounds, not the median."""
        ratios = self.ratios
        median = statistics.median(ratios)
        return Outcome(
            benchmark=benchmark,
            subject=subject,
            headline=f"{median:.2f} x",
            target="" if at_least is None else f"at least {at_least:g} x",
            holds=at_least is None or median >= at_least,
            figures={
                "ratio_median": round(median, 3),
                "ratio_min": round(min(ratios), 3),
                "ratio_max": round(max(ratios), 3),
                "ratio_of_best": round(min(self.peer_s) / min(self.ours_s), 3),
                "ours_us_per_event": self._best_us(self.ours_s),
                "peer_us_per_event": self._best_us(self.peer_s),
                "rounds": len(ratios),
                "events_per_round": self.events,
            },
        )

    def _best_us(self, seconds: Sequence[float]) -> float:
        return round(min(seconds) / self.events * _US_PER_S, 2)

"""What a benchmark gives back: figures, and whether they reach their target."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

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


class Took(NamedTuple):
    """Seconds that one round took: of the process's CPU time, all threads, and by the clock on the wall."""

    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Paired:
    """The same work done by both sides in turn, round by round."""

    events: int
    """Events of one round."""
    ours: Sequence[Took]
    peer: Sequence[Took]

    def outcome(self, benchmark: str, subject: str, *, at_least: float | None, by_wall: bool = False) -> Outcome:
        """Judge the median of the rounds' ratios by CPU time, or by the wall clock where several threads work.

        On a machine that others use too, the wall clock favours the side whose rounds are short enough to pass
        undisturbed.  On a quiet one both clocks agree, as long as one thread does the work.
        """
        pairs = list(zip(self.ours, self.peer, strict=True))
        cpu = [peer.cpu_s / ours.cpu_s for ours, peer in pairs]
        wall = [peer.wall_s / ours.wall_s for ours, peer in pairs]
        ratios = wall if by_wall else cpu
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
                "cpu_ratio_median": round(statistics.median(cpu), 3),
                "wall_ratio_median": round(statistics.median(wall), 3),
                "ours_cpu_us_per_event": self._best_us(self.ours),
                "peer_cpu_us_per_event": self._best_us(self.peer),
                "rounds": len(ratios),
                "events_per_round": self.events,
            },
        )

    def _best_us(self, rounds: Sequence[Took]) -> float:
        return round(min(took.cpu_s for took in rounds) / self.events * _US_PER_S, 2)

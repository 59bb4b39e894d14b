"""Paired rounds: both sides do the same work in turn, so what disturbs the machine disturbs both."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from benchmarks.outcome import Paired

if TYPE_CHECKING:
    from collections.abc import Callable


def paired(
    ours: Callable[[], Callable[[], object]], peer: Callable[[], Callable[[], object]], *, events: int, rounds: int
) -> Paired:
    """Time both sides `rounds` times, the order reversed every other round, after one round that is not counted.

    Each side is a preparation (not timed: it makes fresh input where the work uses its input up) that returns the
    work (timed by the wall clock, on `events` events).
    """
    ours_s: list[float] = []
    peer_s: list[float] = []
    for number in range(rounds + 1):
        if number % 2:
            ours_took, peer_took = _time(ours), _time(peer)
        else:
            peer_took, ours_took = _time(peer), _time(ours)
        if number:
            ours_s.append(ours_took)
            peer_s.append(peer_took)
    return Paired(events=events, ours_s=ours_s, peer_s=peer_s)


def _time(prepare: Callable[[], Callable[[], object]]) -> float:
    work = prepare()
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin

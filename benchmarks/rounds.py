"""Paired rounds: both sides do the same work in turn, so what disturbs the machine disturbs both."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING

from benchmarks.outcome import Paired, Took

if TYPE_CHECKING:
    from collections.abc import Callable


def paired(
    ours: Callable[[], Callable[[], object]], peer: Callable[[], Callable[[], object]], *, events: int, rounds: int
) -> Paired:
    """Time both sides `rounds` times, the order reversed every other round, after one round that is not counted.

    Each side is a preparation (not timed: it makes fresh input where the work uses its input up) that returns the
    work (timed, on `events` events).
    """
    ours_took: list[Took] = []
    peer_took: list[Took] = []
    for number in range(rounds + 1):
        if number % 2:
            our_round, peer_round = _time(ours), _time(peer)
        else:
            peer_round, our_round = _time(peer), _time(ours)
        if number:
            ours_took.append(our_round)
            peer_took.append(peer_round)
    return Paired(events=events, ours=ours_took, peer=peer_took)


def _time(prepare: Callable[[], Callable[[], object]]) -> Took:
    work = prepare()
    gc.collect()
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return Took(time.process_time() - cpu_s, time.perf_counter() - wall_s)

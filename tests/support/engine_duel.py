"""Both engines on the same inputs: same acceptance, same reasons, and each opens what the other wrote.

`make differential` runs it for AEGIS_DIFFERENTIAL inputs (100,000), from AEGIS_DIFFERENTIAL_SEED (0) on.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from typing import TYPE_CHECKING

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from aegis_stream.encryption import Opened, PIIDecryptor, PIIEncryptor, Protected, SingleDek
from aegis_stream.encryption.engine import Engine, find_native
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.pii import Policy
from tests.support.dice import Dice
from tests.support.odd_events import changed, raw_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aegis_stream.encryption import Rejected, Unreadable
    from aegis_stream.encryption.native_writer import Done

VERSION = "dek-v1-20260101"
BATCH = 64
POLICIES = (
    Policy.default(),
    Policy(names=("event_id", "a")),
    Policy(pointers=("/a/*", "/list/0", "/people/*/phone", "/*/0", "/~1"), exclude=("signer_id", "/b/actor_id")),
)


class Pair:
    """Writer and reader of both engines under one policy."""

    def __init__(self, policy: Policy, counts: Counter[str]) -> None:
        """Make them, and count what the native engine hands back."""
        pair = HybridKEM.generate_keypair()
        private = HybridPrivateKey.from_bytes(pair.private)
        source = SingleDek(dek_version=VERSION, public_key=pair.public, decapsulate=private.decapsulate, policy=policy)
        engines = (Engine.PYTHON, Engine.NATIVE)
        self.writers = [
            PIIEncryptor(public_key=pair.public, dek_version=VERSION, policy=policy, engine=engine)
            for engine in engines
        ]
        self.readers = [PIIDecryptor(source, engine=engine) for engine in engines]
        self._counts = counts
        self._count_what_is_handed_back()

    def _count_what_is_handed_back(self) -> None:
        writer, reader = self.writers[1]._native, self.readers[1]._native
        assert writer is not None
        assert reader is not None
        protect, open_ = writer.protect, reader.open

        def counted_protect(  # the same door, with a counter behind it
            session: object, raw: Sequence[bytes], sources: Sequence[str] | None, at: bytes, left: tuple[int, int]
        ) -> Done:
            done = protect(session, raw, sources, at, left)
            self._counts["protected natively"] += len(raw) - done.results.count(None)
            return done

        def counted_open(
            raw: Sequence[bytes], judge: Callable[[bytes], Opened | Unreadable]
        ) -> list[Opened | Unreadable]:
            judged = 0

            def counted_judge(one: bytes) -> Opened | Unreadable:
                nonlocal judged
                judged += 1
                return judge(one)

            results = open_(raw, counted_judge)
            self._counts["opened natively"] += len(raw) - judged
            return results

        writer.protect, reader.open = counted_protect, counted_open  # type: ignore[method-assign]

    def protect(self, raw: list[bytes], sources: list[str] | None) -> list[tuple[bytes, bytes]]:
        """Protect by both, hold the answers against each other, and return what was accepted: (raw, protected)."""
        accepted: list[tuple[bytes, bytes]] = []
        answers = [writer.protect_batch(raw, sources=sources) for writer in self.writers]
        for one, python, native in zip(raw, *answers, strict=True):
            if isinstance(python, Protected) and isinstance(native, Protected):
                accepted += [(one, python.value), (one, native.value)]
                continue
            assert python == native, (python, native, one)
            self._counts[f"refused: {_reason(python)}"] += 1
        self._counts["accepted"] += len(accepted) // 2
        return accepted

    def open(self, protected: list[bytes]) -> list[Opened | Unreadable]:
        """Open by both, hold the answers against each other, and return them."""
        python, native = (reader.open_batch(protected) for reader in self.readers)
        for one, first, second in zip(protected, python, native, strict=True):
            assert first == second, (first, second, one)
            if isinstance(first, Opened) and isinstance(second, Opened):
                # `repr` tells 1 from 1.0 and True, and shows the order.
                assert repr(first.event) == repr(second.event), (first, second, one)
        return python


def _reason(result: Protected | Rejected | Opened | Unreadable) -> str:
    return "" if isinstance(result, Protected | Opened) else str(result.reason)


def _batch(pair: Pair, dice: Dice, counts: Counter[str]) -> int:
    """Run a batch of raw events, and of changed encrypted ones that come of it; returns how many inputs it was."""
    raw = [raw_event(dice) for _ in range(BATCH)]
    sources = [f"aegis.raw/0/{offset}" for offset in range(BATCH)] if dice.random() < 0.5 else None
    accepted = pair.protect(raw, sources)
    protected = [value for _, value in accepted]
    for (one, value), result in zip(accepted, pair.open(protected), strict=True):
        assert isinstance(result, Opened), (result, one, value)
        assert repr(result.event) == repr(orjson.loads(one)), (result.event, one, value)
    mutants = [changed(dice, value, dice.choice(protected)) for value in protected]
    mutants += [dice.spoil_bytes(one) for one in raw[:4]]
    for result in pair.open(mutants):
        counts["changed, opened" if isinstance(result, Opened) else f"changed, unreadable: {_reason(result)}"] += 1
    return BATCH + len(mutants)


def duel(inputs: int, seed: int, counts: Counter[str]) -> Iterator[int]:
    """Run at least so many inputs; gives how many each batch had.  Raises AssertionError: the engines differ."""
    pairs = [Pair(policy, counts) for policy in POLICIES]
    core = find_native().module
    assert core is not None
    done, panics = 0, core.panics()
    for number in itertools.count(seed):
        if done >= inputs:
            return
        size = _batch(pairs[number % len(pairs)], Dice(number), counts)
        # An event whose work panicked is handed back like any other, which would hide the fault here.
        assert core.panics() == panics, f"the native engine panicked, seed {number}"
        done += size
        yield size


def main() -> int:
    """Run as many inputs as AEGIS_DIFFERENTIAL says and show what became of them."""
    if find_native().module is None:
        Console().print(f"nothing to compare: {find_native().why}")
        return 1
    inputs = int(os.environ.get("AEGIS_DIFFERENTIAL", "100000"))
    seed = int(os.environ.get("AEGIS_DIFFERENTIAL_SEED", "0"))
    counts: Counter[str] = Counter()
    done = 0
    console = Console()
    with Progress("both engines", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("", total=inputs)
        for size in duel(inputs, seed, counts):
            done += size
            bar.update(task, completed=done)
    for name, count in sorted(counts.items()):
        console.print(f"{count:>12,}  {name}")
    console.print(f"{done:>12,}  inputs through both engines, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())

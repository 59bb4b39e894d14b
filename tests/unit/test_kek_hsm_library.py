"""The library's gate: who is inside, who waits, and what happens where it cannot lock or does not come back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from aegis_stream.errors import KEKReason
from aegis_stream.kek import cryptoki, hsm_library
from aegis_stream.kek.hsm_errors import Failure, Kind
from aegis_stream.kek.hsm_library import HsmLibrary

if TYPE_CHECKING:
    from aegis_stream.kek.cryptoki import Cryptoki


class Functions:
    """C_Initialize and C_Finalize of a library that answers as told."""

    def __init__(self, *results: int) -> None:
        """Give these results to C_Initialize, the last one for ever."""
        self.results = list(results)
        self.calls: list[str] = []

    def initialize(self, *, threads: bool) -> int:
        """Answer."""
        self.calls.append("threads" if threads else "one thread")
        return self.results.pop(0) if len(self.results) > 1 else self.results[0]

    def finalize(self) -> int:
        """Answer."""
        self.calls.append("finalize")
        return cryptoki.CKR_OK


def library(*results: int) -> tuple[HsmLibrary, Functions]:
    """Return a library that has begun."""
    functions = Functions(*results)
    made = HsmLibrary(SimpleNamespace(), cast("Cryptoki", functions))
    made.begin()
    return made, functions


def most_inside(made: HsmLibrary) -> int:
    """Return how many of four threads were inside at one time."""
    inside, most, lock, meet = 0, 0, threading.Lock(), threading.Event()

    def work(_: int) -> None:
        nonlocal inside, most
        with made.use():
            with lock:
                inside += 1
                most = max(most, inside)
            meet.wait(0.05)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    return most


def test_library_that_locks_lets_all_in() -> None:
    """That is what the flag is for."""
    made, functions = library(cryptoki.CKR_OK)
    assert functions.calls == ["finalize", "threads"]
    assert most_inside(made) == 4


@pytest.mark.parametrize("refusal", [cryptoki.CKR_CANT_LOCK, cryptoki.CKR_ARGUMENTS_BAD])
def test_library_that_cannot_lock_lets_one_in(refusal: int) -> None:
    """Slower, and it does not crash."""
    made, functions = library(refusal, cryptoki.CKR_OK)
    assert functions.calls == ["finalize", "threads", "one thread"]
    assert most_inside(made) == 1


def test_library_that_does_not_start_may_later() -> None:
    """The device behind it may be away: CKR_DEVICE_ERROR, and then CKR_OK."""
    functions = Functions(0x30, cryptoki.CKR_OK)
    made = HsmLibrary(SimpleNamespace(), cast("Cryptoki", functions))
    failure = made.begin()
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.reason) == (Kind.LOST, KEKReason.UNAVAILABLE)
    assert "0x30" in failure.message
    assert made.recover(made.generation) is None


def test_recovery_waits_for_those_inside() -> None:
    """C_Finalize while a thread is in a call crashes the process."""
    made, functions = library(cryptoki.CKR_OK)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> int:
        with made.use() as generation:
            entered.set()
            leave.wait(5)
        return generation

    with ThreadPoolExecutor(2) as pool:
        staying = pool.submit(stay)
        entered.wait(5)
        recovering = pool.submit(made.recover, made.generation)
        assert functions.calls == ["finalize", "threads"]
        leave.set()
        assert recovering.result() is None
        assert staying.result() == 0
    assert functions.calls == ["finalize", "threads"] * 2
    assert made.generation == 1


def test_many_losses_are_one_recovery() -> None:
    """Eight threads see the same lost session; each would end the others' new ones."""
    made, functions = library(cryptoki.CKR_OK)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: made.recover(0), range(8)))
    assert functions.calls == ["finalize", "threads"] * 2


def test_call_that_does_not_return_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is finalized under it; the others are not left waiting."""
    monkeypatch.setattr(hsm_library, "_DRAIN_S", 0.02)
    made, functions = library(cryptoki.CKR_OK)
    entered, leave = threading.Event(), threading.Event()

    def hang() -> None:
        with made.use():
            entered.set()
            leave.wait(5)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(hang)
        entered.wait(5)
        failure = made.recover(0)
        assert isinstance(failure, Failure)
        assert "does not return" in failure.message
        leave.set()
        hanging.result()
    assert functions.calls == ["finalize", "threads"]
    assert made.recover(made.generation) is None

"""Waiting for a keeper that neither answers nor fails, and for none."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import InMemoryKEKProvider, check_kek, retry, wait_for_kek, wait_for_keks

if TYPE_CHECKING:
    from aegis_stream.errors import KEKUnavailableError
    from aegis_stream.hybrid import HybridKeypair


def test_keeper_that_never_answers_is_said_and_holds_no_process(
    kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call into an HSM's library can hang for ever: it must not look like a start, nor outlast SIGTERM."""
    monkeypatch.setattr(retry, "_PATIENCE_S", 0.01)
    hung = threading.Event()
    heard: list[str] = []

    def load() -> InMemoryKEKProvider:
        hung.wait()
        return InMemoryKEKProvider(keypair=kek_pair, environ={})

    async def start() -> None:
        enough = asyncio.Event()

        def on_wait(error: KEKUnavailableError) -> None:
            heard.append(f"{error} {error.remedy}")
            if len(heard) == 3:
                enough.set()

        waiting = asyncio.create_task(wait_for_kek(load, on_wait=on_wait))
        await enough.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(start())  # waits for the threads of the loop's own pool, if the call were in one
    assert all("has not answered" in words for words in heard)
    hung.set()


async def test_slow_keeper_is_taken_when_it_answers(kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is said, and the call that is under way goes on: it is not made a second time."""
    monkeypatch.setattr(retry, "_PATIENCE_S", 0.01)
    slow = threading.Event()
    loads: list[int] = []

    def load() -> InMemoryKEKProvider:
        loads.append(1)
        slow.wait(30)
        return InMemoryKEKProvider(keypair=kek_pair, environ={})

    provider = await wait_for_kek(load, on_wait=lambda _: slow.set())
    check_kek(provider)
    assert loads == [1]


async def test_readers_never_take_a_key_in_memory_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader without a KEK must say so: one made in memory opens nothing."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    with pytest.raises(KEKError) as caught:
        await wait_for_keks()
    assert caught.value.reason == KEKReason.NOT_CONFIGURED
    assert "aegis kek provision" in caught.value.remedy

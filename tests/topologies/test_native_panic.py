"""A panic in the native core: one event goes to the engine in Python, and nothing is committed past it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.encryption import PIIEncryptor, Protected
from aegis_stream.encryption.engine import find_native
from aegis_stream.hybrid import HybridKEM
from tests.support.pipeline_line import running
from tests.support.records import record_list

if TYPE_CHECKING:
    from collections.abc import Sequence

NATIVE: Any = find_native().module
pytestmark = pytest.mark.skipif(NATIVE is None, reason="the native core is built where there is a Rust compiler")
VERSION = "dek-v1-20260101"


def test_a_panic_in_the_work_on_an_event_only_hands_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    """The built module must unwind, and the place of the fault must be told, for somebody has to mend it."""
    before = NATIVE.panics()
    NATIVE._panic(guarded=True)
    assert NATIVE.panics() == before + 1
    assert "on purpose, guarded" in capfd.readouterr().err


def test_a_panic_elsewhere_is_an_exception_and_no_abort() -> None:
    """An abort would take a whole process with it, of a library's user too."""
    with pytest.raises(BaseException, match="on purpose") as raised:
        NATIVE._panic(guarded=False)
    assert type(raised.value).__name__ == "PanicException"
    assert not isinstance(raised.value, Exception)  # so no `except Exception` goes on as if nothing had been


def test_an_encryptor_works_on_after_a_panic(monkeypatch: pytest.MonkeyPatch) -> None:
    """The panic reaches its user, and leaves neither a lock held nor a result half made."""
    encryptor = PIIEncryptor(public_key=HybridKEM.generate_keypair().public, dek_version=VERSION, engine="native")
    with monkeypatch.context() as broken:
        broken.setattr(encryptor._native, "protect", lambda *_: NATIVE._panic(guarded=False))
        with pytest.raises(BaseException, match="on purpose"):
            encryptor.protect_batch([b"{}"])
    (result,) = encryptor.protect_batch([b'{"actor_id":1}'])
    assert isinstance(result, Protected)
    assert encryptor.stats.events == 1


async def test_the_enricher_dies_of_a_panic_before_it_commits() -> None:
    """An offset committed past a list that was not protected would lose its events."""
    async with running() as line:

        def panics(*_: object) -> Sequence[object]:
            NATIVE._panic(guarded=False)
            raise AssertionError

        line.protecting.protect = panics  # type: ignore[method-assign,assignment]
        line.lists.put_nowait(record_list([b"a"]))
        await line.until(lambda: line.deaths)
        assert line.deaths == [("protect", "PanicException")]
        assert line.broker.sent == []
        assert line.broker.commits == []


FEW_THREADS = """
from aegis_stream.encryption import PIIEncryptor, Protected
from aegis_stream.hybrid import HybridKEM
encryptor = PIIEncryptor(
    public_key=HybridKEM.generate_keypair().public, dek_version="dek-v1-20260101", engine="native", threads=300
)
results = encryptor.protect_batch([b'{"actor_id":%d}' % number for number in range(300)])
assert all(isinstance(result, Protected) for result in results)
print("all", len(results))
"""


def test_threads_that_the_system_refuses_are_done_without() -> None:
    """A machine short of memory or of threads gets slower, and no panic."""
    no_room = os.environ | {"RUST_MIN_STACK": str(2**50)}  # bytes of stack, more than there are addresses
    done = subprocess.run(
        [sys.executable, "-c", FEW_THREADS], env=no_room, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout, done.stderr, done.returncode) == ("all 300\n", "", 0)

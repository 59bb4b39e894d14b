"""An async context manager, entered in a thread with an event loop of its own, for clients that know no asyncio."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager
    from typing import Any

T = TypeVar("T")
R = TypeVar("R")


class Background(Generic[T]):
    """Keeps one context open from `start` to `stop`; what it needs of an event loop goes on in between."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]], *, name: str) -> None:
        """`make` is called, and its context entered and left, in the thread, which is called `name`."""
        self._make = make
        self._name = name
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> T:
        """Enter the context and return what it gives.  Raises what entering raises; RuntimeError where it is open."""
        if self._thread is not None:
            msg = f"{self._name} was started already"
            raise RuntimeError(msg)
        entered: Future[T] = Future()
        self._thread = threading.Thread(target=self._live, args=(entered,), name=self._name, daemon=True)
        self._thread.start()
        try:
            return entered.result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Leave the context and end the thread; once more does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        self._loop = self._stop = None

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in the thread's event loop and return its result; raises what it raises."""
        if self._loop is None:
            work.close()
            msg = f"{self._name} is not open; use `with`"
            raise RuntimeError(msg)
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _live(self, entered: Future[T]) -> None:
        asyncio.run(self._hold(entered))

    async def _hold(self, entered: Future[T]) -> None:
        """Open the context, say so, and keep it until `stop`."""
        stop = asyncio.Event()
        try:
            context = self._make()
            given = await context.__aenter__()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever called `start`
            entered.set_exception(error)
            return
        self._loop, self._stop = asyncio.get_running_loop(), stop
        entered.set_result(given)
        try:
            await stop.wait()
        finally:
            await context.__aexit__(None, None, None)

"""Calls that may never return, out of the way of the event loop and of the process's end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


def in_daemon(call: Callable[[], _Result]) -> asyncio.Future[_Result]:
    """Run a call in a daemon thread and return the future of its outcome.

    `asyncio.to_thread` has a pool for whose threads a process waits at its end: a call into a vendor's library that
    hangs would keep it from ending at SIGTERM.  Cancelling the future leaves the thread to itself.
    """
    outcome: Future[_Result] = Future()
    outcome.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - handed on to whoever awaits
            outcome.set_exception(error)

    threading.Thread(target=run, name="aegis-kek", daemon=True).start()
    return asyncio.wrap_future(outcome)

"""Calls to a keeper that may never return, out of the way of the event loop and of the process's end."""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from aegis_stream.errors import KEKReason, KEKUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


def in_daemon(call: Callable[[], _Result]) -> Future[_Result]:
    """Run a call in a daemon thread and return the future of its outcome.

    A pool's threads, those of `asyncio.to_thread` too, are waited for when a process ends: a call into a vendor's
    library that hangs would keep it from ending.  Nothing waits for this one.
    """
    outcome: Future[_Result] = Future()
    outcome.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(call))
        except BaseException as error:  # noqa: BLE001 - handed on to whoever waits
            outcome.set_exception(error)

    threading.Thread(target=run, name="aegis-kek", daemon=True).start()
    return outcome


def silent_for(seconds: float) -> KEKUnavailableError:
    """Return the error of a keeper that neither answers nor fails."""
    return KEKUnavailableError(
        KEKReason.UNAVAILABLE,
        f"the KEK's keeper has not answered for {seconds:.0f} s",
        remedy="look at the device, its service and the way there; if it answers and this goes on, start again",
    )

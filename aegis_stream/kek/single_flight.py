"""One call at a time for one key; whoever asks meanwhile gets its outcome."""

from __future__ import annotations

from concurrent.futures import Future
from threading import Lock
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_Result = TypeVar("_Result")


class SingleFlight(Generic[_Result]):
    """Joins concurrent calls with equal keys; keeps no outcome once the call is over."""

    __slots__ = ("_flights", "_lock")

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._lock = Lock()
        self._flights: dict[Hashable, Future[_Result]] = {}

    def do(self, key: Hashable, call: Callable[[], _Result]) -> _Result:
        """Return what `call` returns or raise what it raises; only the first of concurrent callers runs it."""
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if leads:
            try:
                flight.set_result(call())
            except BaseException as error:  # noqa: BLE001 - handed on, to this caller as to the others
                flight.set_exception(error)
            finally:
                with self._lock:
                    del self._flights[key]
        return flight.result()

"""Notice that a reader gets nowhere.

Where its broker goes away in the middle, aiokafka returns no records and raises nothing, for ever.
"""

from __future__ import annotations

import asyncio

from aegis_stream.errors import BrokerReason, BrokerUnavailableError

STALL_S = 30.0


class StallWatch:
    """Told after each fetch where its reader stands, it raises once that has not changed for half a minute.

    Only the time of the fetches counts, not what their caller does in between.
    """

    def __init__(self, doing: str, *, limit_s: float | None = None) -> None:
        """Begin; `doing` names it in the error."""
        self._doing = doing
        self._limit_s = STALL_S if limit_s is None else limit_s
        self._position: object = None
        self._stalled_s = 0.0

    def note(self, position: object, *, since: float) -> None:
        """Note the position after a fetch that began at `since`, on the loop's clock.

        Raises BrokerUnavailableError(TIMEOUT).
        """
        if position != self._position:
            self._position, self._stalled_s = position, 0.0
            return
        self._stalled_s += asyncio.get_running_loop().time() - since
        if self._stalled_s >= self._limit_s:
            raise BrokerUnavailableError(
                BrokerReason.TIMEOUT,
                f"{self._doing}: nothing came for {self._limit_s:g} s, and there must be more",
                remedy="look whether the broker is healthy, and run it again",
            )

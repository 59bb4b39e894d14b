"""The channel from which the agent reads: record lists in one bounded queue of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue

if TYPE_CHECKING:
    import faust

WAITING_LISTS = 2
"""Lists that may wait here; a full channel keeps the consumer from taking more."""


class ListChannel(Channel[Any]):
    """A Faust channel whose clones share one queue.

    Faust empties the queues it manages at every rebalance, and cancels whoever waits to put something in.  This one it
    does not manage: stale lists are dropped by their generation, one by one, and nobody is cancelled.
    """

    def __init__(self, app: faust.App, *, queue: Any = None, **kwargs: Any) -> None:  # noqa: ANN401 - Faust's own
        """Make the queue, or share `queue`."""
        own = ThrowableQueue[Any](WAITING_LISTS, flow_control=FlowControlEvent(initially_suspended=False))
        super().__init__(app, queue=own if queue is None else queue, **kwargs)

    def _clone_args(self) -> dict[str, Any]:
        return {**super()._clone_args(), "queue": self._queue}

"""An enricher that marks override events: verified, or why not.

It reads members in the clear, so it stands before the encryptor or behind a decryptor in a pipeline.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from aegis_stream.custodian.override import is_override_event, verify_override

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aegis_stream.custodian.override import CustodianKeys, OverrideVerdict

MARK = "override_verification"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class OverrideMarker:
    """Adds `override_verification` to every override event and takes it from all others, so that none is forged.

    The mark is `{"verified": true}` or `{"verified": false, "reason": …, "path": …}`; it holds no value of the event
    and no signer, so it may stay public.  A public member is not authenticated: whoever must rely on the
    verdict judges the event again behind a decryptor.
    """

    def __init__(
        self,
        keys: Callable[[], CustodianKeys],
        *,
        clock: Callable[[], dt.datetime] = _now,
        on_verdict: Callable[[OverrideVerdict], None] | None = None,
    ) -> None:
        """`keys` gives the custodians' keys as they are now; `on_verdict` is told each verdict, for metrics."""
        self._keys = keys
        self._clock = clock
        self._on_verdict = on_verdict

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the event with the mark; the one that came in is not changed."""
        marked = {name: value for name, value in event.items() if name != MARK}
        if not is_override_event(marked):
            return marked
        verdict = verify_override(marked, keys=self._keys(), at=self._clock())
        if self._on_verdict is not None:
            self._on_verdict(verdict)
        if verdict.reason is None:
            marked[MARK] = {"verified": True}
        else:
            marked[MARK] = {"verified": False, "reason": str(verdict.reason), "path": verdict.path}
        return marked

"""What ties the fields of an event together: its identity, its source and the paths.

See docs/wire-format.md, "An encrypted event", binding and aad.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from aegis_stream.wire import LP_MAX, lp

FIELD = lp(b"aegis-stream/v1/field")
SET = lp(b"aegis-stream/v1/set")

STRING = 0x73
JSON = 0x6A
LAYOUT = 0x11

_SUFFIXES_MAX = 8192

_Ends: TypeAlias = tuple[bytes, bytes]
_UNSEEN: _Ends = (b"", b"")


def binding_of(event_id: str, src: str, event: dict[str, Any], *, id_is_public: bool) -> bytes | None:
    """Return LP(_aegis.id) ‖ LP(src) ‖ u8(1) ‖ LP(event_id), or u8(2) or u8(0) at the end; None if LP cannot hold it.

    event_id: `_aegis.id`, 32 hex digits.  id_is_public: the member `event_id` is published as it is; where it is
    encrypted it is present and no string.
    """
    head = lp(event_id.encode()) + lp(src.encode())
    if "event_id" not in event:
        return head + b"\x00"
    own = event["event_id"]
    if type(own) is not str or not id_is_public:
        return head + b"\x02"
    raw = own.encode()
    return None if len(raw) > LP_MAX else head + b"\x01" + lp(raw)


class Suffixes:
    """The ends of AADs, LP(path) ‖ LP(kinds) ‖ u8(first byte) ‖ u8(type), cached within a bound."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known: dict[tuple[str, str], _Ends | None] = {}

    def of(self, path: str, kinds: str) -> _Ends | None:
        """Return the ends for type `s` and for type `j`; None where the path is too long for its prefix."""
        known = self._known.get((path, kinds), _UNSEEN)
        if known is not _UNSEEN:
            return known
        raw = path.encode()
        ends: _Ends | None = None
        if len(raw) <= LP_MAX:
            where = lp(raw) + lp(kinds.encode())
            ends = (where + bytes((LAYOUT, STRING)), where + bytes((LAYOUT, JSON)))
        if len(self._known) >= _SUFFIXES_MAX:
            self._known.clear()
        self._known[path, kinds] = ends
        return ends

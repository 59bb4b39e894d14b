"""What ties the fields of an event together: its identity and its source.

See docs/wire-format.md, "An encrypted event", binding and aad.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.wire import LP_MAX, lp

if TYPE_CHECKING:
    from collections.abc import Mapping

FIELD = lp(b"aegis-stream/v1/field")
SET = lp(b"aegis-stream/v1/set")

_ABSENT = object()


def binding_of(identity: str, src: str, event: Mapping[str, object], *, id_is_public: bool) -> bytes | None:
    """Return LP(_aegis.id) ‖ LP(src) ‖ u8(1) ‖ LP(event_id), or u8(2) or u8(0) at the end; None if LP cannot hold it.

    identity: `_aegis.id`, 32 hex digits.  src: "topic/partition/offset" or empty.  id_is_public: the member
    `event_id` is published as it is; where it is encrypted it is present and no string.
    """
    head = b"\x00\x20%b%b%b" % (identity.encode(), len(src).to_bytes(2, "big"), src.encode())
    own = event.get("event_id", _ABSENT)
    if type(own) is str and id_is_public:
        raw = own.encode()
        return None if len(raw) > LP_MAX else b"%b\x01%b%b" % (head, len(raw).to_bytes(2, "big"), raw)
    return head + (b"\x00" if own is _ABSENT else b"\x02")

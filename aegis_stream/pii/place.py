"""Where in an event a sensitive value stands, with the bytes that bind its encrypted field to that place."""

from __future__ import annotations

from aegis_stream.wire import LP_MAX, lp

LAYOUT = 0x11
"""The first byte of a field's blob and the byte before last of its AAD: format version 1, layout 1."""
STRING = 0x73
"""Type `s`: the plaintext is a string's UTF-8 bytes."""
JSON = 0x6A
"""Type `j`: the plaintext is any other value as compact JSON, padded with spaces."""


class Place:
    """One place under one policy; equal only to itself, so that shapes of events are compared fast.

    path: RFC 6901 from the top of the event.  kinds: one character a step, `m` for a member's name, `i` for an
    array's index.  label: the policy's spelling of the name, "pointer" or "_encrypted" where it was found otherwise.
    string_end, json_end: LP(path) ‖ LP(kinds) ‖ u8(first byte) ‖ u8(type), the end of the AAD; empty where the
    path is too long for its prefix.
    """

    __slots__ = ("json_end", "kinds", "label", "path", "string_end")

    def __init__(self, path: str, kinds: str, label: str) -> None:
        """Prepare the ends."""
        self.path = path
        self.kinds = kinds
        self.label = label
        raw = path.encode()
        where = lp(raw) + lp(kinds.encode()) if len(raw) <= LP_MAX else None
        self.string_end = b"" if where is None else where + bytes((LAYOUT, STRING))
        self.json_end = b"" if where is None else where + bytes((LAYOUT, JSON))

    def __repr__(self) -> str:
        """Show the label; a path may hold names that a producer chose."""
        return f"<Place of {self.label}>"

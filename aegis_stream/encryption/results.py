"""What the two doors of the hot path give back, one result an input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from aegis_stream.errors import ReadReason, WriteReason


NO_STRINGS: frozenset[str] = frozenset()


class Protected(NamedTuple):
    """An encrypted event.

    value: the event as JSON, UTF-8.  sensitive: the strings of 4 characters or more inside the encrypted values, only
    where the caller asked for them to guard a record key or headers.
    """

    value: bytes
    sensitive: frozenset[str] = NO_STRINGS

    def __repr__(self) -> str:
        """Show the size only."""
        return f"<Protected {len(self.value)} bytes>"


class Rejected(NamedTuple):
    """An event that a writer refuses: reason, and the path of the member where it is one member's fault."""

    reason: WriteReason
    path: str = ""


class Opened(NamedTuple):
    """A verified and decrypted event.

    event: without `_aegis`, each encrypted field replaced by its value.  dek_version: under which it was encrypted.
    source: "topic/partition/offset" of the raw record, None in library use.
    """

    event: dict[str, Any]
    dek_version: str
    source: str | None = None

    def __repr__(self) -> str:
        """Show no value."""
        return f"<Opened {self.dek_version} from {self.source or 'a library call'}>"


class Unreadable(NamedTuple):
    """An event that a reader refuses: reason, path of the field, DEK version where it could be told."""

    reason: ReadReason
    path: str = ""
    dek_version: str = ""

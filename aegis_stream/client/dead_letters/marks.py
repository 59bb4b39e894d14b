"""What became of dead letters: one mark a letter on the dead-letter-state topic, under the letter's id.

    {"v": 1, "letter": "topic/partition/offset", "state": …, "at": …, …}

A letter is marked `replaying` before its record is written to the raw topic and `replayed` afterwards.  Between the two
it is `interrupted`, and the mark tells how to find out what was written: `attempt` stands in a header of the record,
`from_offset` is where the raw partition ended before.  See docs/dead-letters.md, "What a kill means".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

from aegis_stream.errors import ManifestRefusedError
from aegis_stream.keyring.strict_json import Members, time_text

if TYPE_CHECKING:
    import datetime as dt

FORMAT_VERSION = 1
MAX_BYTES = 4_096
NOTE_MAX = 500

_ID = re.compile(r"[A-Za-z0-9._-]{1,249}/(0|[1-9][0-9]{0,9})/(0|[1-9][0-9]{0,18})", re.ASCII)
_ATTEMPT = re.compile(r"[0-9a-f]{32}", re.ASCII)
NOTE = re.compile(r"[^\x00-\x1f\x7f]{1,500}")
_MAX_OFFSET = 2**53 - 1


class MarkState(StrEnum):
    """What a mark says."""

    REPLAYING = "replaying"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One mark; `at` is when it was made, whole seconds, UTC.

    attempt, from_offset: of `replaying` alone: 32 hex digits, and the raw partition's end before.
    replayed_offset: of `replayed` alone, where on the same partition of the raw topic the record stands now.
    note: of `discarded` alone, one line of the operator's, may be absent.
    """

    id: str
    state: MarkState
    at: dt.datetime
    attempt: str | None = None
    from_offset: int | None = None
    replayed_offset: int | None = None
    note: str | None = None

    def to_bytes(self) -> bytes:
        """Return the record's value."""
        shape: dict[str, object] = {
            "v": FORMAT_VERSION,
            "letter": self.id,
            "state": self.state.value,
            "at": time_text(self.at),
        }
        for name in ("attempt", "from_offset", "replayed_offset", "note"):
            value = getattr(self, name)
            if value is not None:
                shape[name] = value
        return orjson.dumps(shape)


def mark_of(key: bytes | None, value: bytes | None) -> Mark | None:
    """Read a record of the state topic; None where it is none, or of a form that this version does not know."""
    if key is None or value is None or not key.isascii():
        return None
    try:
        members = Members.parse(value, record="mark", max_bytes=MAX_BYTES)
        members.whole("v", least=FORMAT_VERSION, most=FORMAT_VERSION)
        members.expect("letter", key.decode("ascii"))
        state = members.choice("state", MarkState)
        mark = Mark(
            id=key.decode("ascii"),
            state=state,
            at=members.time("at"),
            attempt=members.text("attempt", _ATTEMPT) if state is MarkState.REPLAYING else None,
            from_offset=members.whole("from_offset", most=_MAX_OFFSET) if state is MarkState.REPLAYING else None,
            replayed_offset=members.whole("replayed_offset", most=_MAX_OFFSET) if state is MarkState.REPLAYED else None,
            note=members.text("note", NOTE) if state is MarkState.DISCARDED and members.has("note") else None,
        )
        members.done()
    except ManifestRefusedError:
        return None
    return mark if _ID.fullmatch(mark.id) else None

"""Strict reading of the control topic's JSON: every member is expected, of one type, and there once.

Nothing here repeats what was read in an error: the text comes from whoever may write to the topic.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn, TypeVar

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.wire import DekVersion, b64encode
from aegis_stream.wire.primitives import b64decode_or_none
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MAX_WHOLE = 2**53 - 1
"""The largest whole number that every JSON reader takes as it stands."""

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


class Members:
    """The members of one JSON object; each is taken once by its name and type, and `done` refuses what is left.

    Every method raises ManifestRefusedError with the reason given at the start.
    """

    def __init__(self, members: dict[str, object], record: str, reason: ManifestReason) -> None:
        """`record` names the object in errors: "manifest", "manifest: a DEK"."""
        self._left = dict(members)
        self._record = record
        self._reason = reason

    @classmethod
    def parse(
        cls, raw: bytes, *, record: str, max_bytes: int, reason: ManifestReason = ManifestReason.PAYLOAD
    ) -> Members:
        """Read one JSON object in UTF-8: no byte order mark, duplicate member, fraction, NaN or lone surrogate."""
        value: object = None
        if len(raw) > max_bytes:
            raise ManifestRefusedError(reason, f"{record}: larger than {max_bytes:,} bytes")
        try:
            text = raw.decode()
            value = json.loads(text, object_pairs_hook=_once, parse_float=_refuse, parse_constant=_refuse)
            if "\\u" in text:  # only an escape can smuggle in half of a surrogate pair
                json.dumps(value, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):  # outside the handler: a JSON error would carry the whole text along
            raise ManifestRefusedError(reason, f"{record}: not one strict JSON object")
        return cls(value, record, reason)

    def refuse(self, what: str) -> NoReturn:
        """Raise for this record; `what` says which rule it breaks."""
        raise ManifestRefusedError(self._reason, f"{self._record}: {what}")

    def done(self) -> None:
        """Refuse members that nobody asked for."""
        if self._left:
            self.refuse(f"{len(self._left)} unknown member(s)")

    def has(self, name: str) -> bool:
        """Tell whether an optional member is there and not taken yet."""
        return name in self._left

    def value(self, name: str) -> object:
        """Take a member of any type."""
        if name not in self._left:
            self.refuse(f'the member "{name}" is missing')
        return self._left.pop(name)

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> str:
        """Take a string that the pattern matches as a whole."""
        value = self.value(name)
        if not isinstance(value, str) or (pattern is not None and not pattern.fullmatch(value)):
            self.refuse(f'the member "{name}" is not of its form')
        return value

    def whole(self, name: str, *, least: int = 0, most: int = MAX_WHOLE) -> int:
        """Take a whole number within bounds; true and false are none."""
        value = self.value(name)
        if type(value) is not int or not least <= value <= most:
            self.refuse(f'the member "{name}" is not a whole number from {least} to {most}')
        return value

    def flag(self, name: str) -> bool:
        """Take true or false."""
        value = self.value(name)
        if type(value) is not bool:
            self.refuse(f'the member "{name}" is neither true nor false')
        return value

    def time(self, name: str) -> dt.datetime:
        """Take a UTC second, `YYYY-MM-DDTHH:MM:SSZ`."""
        when = parse_time(self.text(name))
        if when is None:
            self.refuse(f'the member "{name}" is no time of the form 2026-01-31T23:59:59Z')
        return when

    def octets(self, name: str, *, length: int | None = None) -> bytes:
        """Take canonical base64, of exactly `length` bytes where that is given."""
        raw = b64decode_or_none(self.text(name))
        if raw is None:
            self.refuse(f'the member "{name}" is not canonical base64')
        if length is not None and len(raw) != length:
            self.refuse(f'the member "{name}" has not {length:,} bytes')
        return raw

    def choice(self, name: str, kinds: type[E]) -> E:
        """Take one of the values of a closed set of strings."""
        value = self.value(name)
        for kind in kinds:
            if kind.value == value:
                return kind
        return self.refuse(f'the member "{name}" is none of {", ".join(kinds)}')

    def version(self, name: str) -> DekVersion:
        """Take the version of a DEK."""
        text = self.text(name)
        if not is_dek_version(text):
            self.refuse(f'the member "{name}" is no DEK version')
        return DekVersion.parse(text)

    def expect(self, name: str, expected: str) -> None:
        """Take a string that follows from other members, and refuse any other."""
        if self.value(name) != expected:
            self.refuse(f'the member "{name}" does not belong to the rest')

    def members(self, name: str, *, what: str) -> Members:
        """Take an object."""
        value = self.value(name)
        if not isinstance(value, dict):
            self.refuse(f'the member "{name}" is not an object')
        return Members(value, f"{self._record}: {what}", self._reason)

    def names(self) -> tuple[str, ...]:
        """Return the names of the members not taken yet, where any name may stand."""
        return tuple(self._left)

    def each(self, name: str, read: Callable[[Members], T], *, what: str, most: int) -> tuple[T, ...]:
        """Take an array of at most `most` objects; `read` makes something of each and must take all its members."""
        value = self.value(name)
        if not isinstance(value, list) or len(value) > most or not all(isinstance(entry, dict) for entry in value):
            self.refuse(f'the member "{name}" is not an array of at most {most} objects')
        found = []
        for entry in value:
            members = Members(entry, f"{self._record}: {what}", self._reason)
            found.append(read(members))
            members.done()
        return tuple(found)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def _refuse(_: str) -> NoReturn:
    raise ValueError("a number that is not whole")


def parse_time(text: str) -> dt.datetime | None:
    """Read `YYYY-MM-DDTHH:MM:SSZ`; None for anything else, also for a day that is not in the calendar."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return dt.datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=dt.UTC)
    except ValueError:
        return None


def time_text(when: dt.datetime) -> str:
    """Write a time in UTC as `YYYY-MM-DDTHH:MM:SSZ`, fractions of a second cut off."""
    return when.astimezone(dt.UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def octets_text(raw: bytes) -> str:
    """Write bytes as canonical base64."""
    return b64encode(raw)

"""Strict JSON: RFC 8259 in UTF-8, exact about numbers, surrogates and depth.

The parser keeps its own stack, so that depth is a verdict and never a crash.  Of two members with one name the last is
kept, at the place of the first; depth and numbers are judged on what was kept.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_ESCAPES = {0x22: '"', 0x5C: "\\", 0x2F: "/", 0x62: "\b", 0x66: "\f", 0x6E: "\n", 0x72: "\r", 0x74: "\t"}
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_WORDS: tuple[tuple[bytes, Json], ...] = ((b"true", True), (b"false", False), (b"null", None))
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
_LONGEST_INTEGER = 20  # characters of -9223372036854775808 and 18446744073709551615


class NotJsonError(Exception):
    """The bytes are not one JSON value in UTF-8, or hold a byte order mark or a lone surrogate."""


class _Text:
    """One document and the position in it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.at = 0
        self.duplicate = False

    def skip(self) -> None:
        match = _SPACE.match(self.raw, self.at)
        self.at = match.end() if match else self.at

    def peek(self) -> bytes:
        return self.raw[self.at : self.at + 1]

    def take(self, wanted: bytes) -> bool:
        """Pass over `wanted` and the white space behind it, where it stands."""
        if not self.raw.startswith(wanted, self.at):
            return False
        self.at += len(wanted)
        self.skip()
        return True

    def need(self, wanted: bytes) -> None:
        if not self.take(wanted):
            raise NotJsonError

    def string(self) -> str:
        """Read a string, the position being at its quotation mark."""
        if self.peek() != b'"':
            raise NotJsonError
        self.at += 1
        parts: list[str] = []
        while True:
            plain = _PLAIN.match(self.raw, self.at)
            if plain is None:
                raise NotJsonError
            parts.append(plain.group().decode("utf-8"))
            self.at = plain.end()
            if self.take(b'"'):
                return "".join(parts)
            if self.peek() != b"\\":
                raise NotJsonError
            parts.append(self._escape())

    def _escape(self) -> str:
        kind = self.raw[self.at + 1 : self.at + 2]
        if kind == b"u":
            return self._unicode()
        if not kind or kind[0] not in _ESCAPES:
            raise NotJsonError
        self.at += 2
        return _ESCAPES[kind[0]]

    def _unit(self) -> int:
        digits = _HEX.match(self.raw, self.at + 2)
        if not self.raw.startswith(b"\\u", self.at) or digits is None:
            raise NotJsonError
        self.at += 6
        return int(digits.group(), 16)

    def _unicode(self) -> str:
        high = self._unit()
        if not 0xD800 <= high <= 0xDFFF:
            return chr(high)
        low = self._unit() if high <= 0xDBFF else 0
        if not 0xDC00 <= low <= 0xDFFF:
            raise NotJsonError
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

    def scalar(self) -> Json:
        if self.peek() == b'"':
            return self.string()
        for word, value in _WORDS:
            if self.take(word):
                return value
        match = _NUMBER.match(self.raw, self.at)
        if match is None:
            raise NotJsonError
        self.at = match.end()
        self.skip()
        whole, fraction, exponent = match.groups()
        if fraction is not None or exponent is not None:
            return float(match.group())
        # Longer ones are out of range whatever their digits; int() would refuse the longest with a foreign error.
        return int(whole) if len(whole) <= _LONGEST_INTEGER else _HIGHEST + 1


def parse(raw: bytes) -> Json:
    """Read one JSON value; a number out of range comes as infinity or as too large an int (see `bad_number`).

    Raises NotJsonError.
    """
    return _read(raw)[0]


def has_duplicate(raw: bytes) -> bool:
    """Tell whether an object in the text has two members of one name; raise NotJsonError."""
    return _read(raw)[1]


def _read(raw: bytes) -> tuple[Json, bool]:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJsonError from error
    text = _Text(raw)
    text.skip()
    value = _value(text)
    if text.at != len(raw):
        raise NotJsonError
    return value, text.duplicate


def _value(text: _Text) -> Json:
    """Read one value with all that is in it; `stack` holds the open containers and the name that waits in each."""
    stack: list[tuple[list[Json] | dict[str, Json], str]] = []
    while True:
        value, is_open = _begin(text)
        if is_open and isinstance(value, dict | list):
            stack.append((value, _name(text, value)))
            continue
        while stack:
            holder, name = stack.pop()
            if isinstance(holder, list):
                holder.append(value)
            else:
                text.duplicate |= name in holder
                holder[name] = value
            if text.take(b","):
                stack.append((holder, _name(text, holder)))
                break
            text.need(b"]" if isinstance(holder, list) else b"}")
            value = holder
        else:
            return value


def _begin(text: _Text) -> tuple[Json, bool]:
    """Read a scalar or an empty container, or open one that holds something (then True)."""
    if text.take(b"{"):
        return {}, not text.take(b"}")
    if text.take(b"["):
        return [], not text.take(b"]")
    return text.scalar(), False


def _name(text: _Text, holder: list[Json] | dict[str, Json]) -> str:
    """Read a member's name with its colon; an array has none."""
    if isinstance(holder, list):
        return ""
    name = text.string()
    text.need(b":")
    return name


def depth(value: Json) -> int:
    """How deep objects and arrays are nested; a scalar has 0."""
    deepest, todo = 0, [(value, 1)]
    while todo:
        node, level = todo.pop()
        if isinstance(node, dict | list):
            deepest = max(deepest, level)
            todo.extend((child, level + 1) for child in (node.values() if isinstance(node, dict) else node))
    return deepest


def bad_number(value: Json) -> bool:
    """Whether a number in the value breaks the writer's rule."""
    todo = [value]
    while todo:
        node = todo.pop()
        if isinstance(node, dict | list):
            todo.extend(node.values() if isinstance(node, dict) else node)
        elif isinstance(node, float):
            if not math.isfinite(node):
                return True
        elif isinstance(node, int) and not isinstance(node, bool) and not _LOWEST <= node <= _HIGHEST:
            return True
    return False

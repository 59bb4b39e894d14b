"""The rules for a JSON document that the parser does not enforce, or does not name.

orjson is strict about UTF-8, byte order marks, lone surrogates and NaN, but it turns integers beyond 64 bits into
floats, nests further than the format allows, and answers every fault alike.  The slow and exact looks below run only
where its answer leaves a question.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable

Fault: TypeAlias = Literal["not-json", "too-deep", "number"]
"""Values that WriteReason and ReadReason share."""

_INTEGER_MIN = -(2**63)
_INTEGER_MAX = 2**64 - 1
_BIG = float(2**63)

# Tokens of a document; possessive, so linear on any input.  A run is what can hold no fault: it is taken in one step.
_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:(?P<open>[{\[])|(?P<close>[}\]])
    |(?P<run>(?:[ \t\n\r,:]++|"[^"\\\x00-\x1f]*+"|true|false|null
        |-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]++)?(?:[eE][+-]?[0-9]{1,2})?(?![0-9.eE]))++)
    |(?P<string>"(?:[^"\\\x00-\x1f]++|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*+")
    |(?P<number>-?(?:0|[1-9][0-9]*+)(?P<fraction>\.[0-9]++)?(?P<exponent>[eE][+-]?[0-9]++)?))""",
    re.VERBOSE,
)
_BEGIN = re.compile(r"[ \t\n\r]*+\{")
_SURROGATE = re.compile(r"\\\\|\\u(?:[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>[dD][89a-fA-F]))")
_STRING_OR_LONG_INTEGER = re.compile(
    r'"(?:[^"\\]++|\\.)*+"|(?<![0-9.eE+-])(?P<integer>-?[0-9]{19,}+)(?![0-9.eE])', re.DOTALL
)
_GAP_BEFORE_COLON = re.compile(rb'"[ \t\n\r]+:')
_DIGITS = 20  # no 64-bit integer is longer, so none beyond needs converting


class _DuplicateError(Exception):
    """Ends the exact parser; never leaves this file."""


def parse_object(raw: bytes) -> dict[str, Any] | None:
    """Return the one JSON object in the bytes, or None; then `fault_of` says why."""
    event: object = None
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None  # outside the handler nothing of the input hangs on an exception's chain
    return event if type(event) is dict else None


def out_of_range(raw: bytes) -> bool:
    """Tell whether a document that parsed holds an integer outside -2^63 … 2^64-1 (orjson made it a float)."""
    return any(
        not _in_range(match["integer"])
        for match in _STRING_OR_LONG_INTEGER.finditer(raw.decode())
        if match["integer"] is not None
    )


def _in_range(digits: str) -> bool:
    return len(digits.lstrip("-")) <= _DIGITS and _INTEGER_MIN <= int(digits) <= _INTEGER_MAX


def _number_fault(match: re.Match[str]) -> bool:
    """Tell whether a number's token breaks the rule."""
    if match["fraction"] is None and match["exponent"] is None:
        return not _in_range(match["number"])
    return float(match["number"]) in {float("inf"), float("-inf")}


def fault_of(raw: bytes, max_depth: int) -> Fault:
    """Say why bytes that did not parse as one JSON object are refused: the first fault from the left.

    max_depth: objects and arrays count, the top is 1.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return "not-json"
    if _BEGIN.match(text) is None:
        return "not-json"
    at, depth = 0, 0
    while (match := _TOKEN.match(text, at)) is not None:
        at, kind = match.end(), match.lastgroup
        if kind == "open":
            depth += 1
            if depth > max_depth:
                return "too-deep"
        elif kind == "close":
            depth -= 1
        elif kind == "number" and _number_fault(match):
            return "number"
        if depth <= 0 or (kind == "string" and _has_lone_surrogate(match[0])):
            break
    return "not-json"


def _has_lone_surrogate(string: str) -> bool:
    return any(match["lone"] is not None for match in _SURROGATE.finditer(string))


def has_duplicates(raw: bytes, members: int) -> bool:
    """Tell whether an object of a document that parsed has two members of one name.

    members: in all objects of what the parser returned, which kept the last of each name.  A name ends with `":`, so
    where no blank stands before a colon the text has at least as many of these as members, and more only by a
    duplicate or by an escaped quote inside a string; then an exact parser looks.
    """
    # One byte is found several times as fast as two, so the rarer blanks are asked for alone.
    may_gap = b" :" in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw
    if raw.count(b'":') == members and not (may_gap and _GAP_BEFORE_COLON.search(raw)):
        return False
    try:
        json.loads(raw, object_pairs_hook=_unique)
    except _DuplicateError:
        return True
    return False


def count_members(value: object) -> int:
    """Return how many members all objects of a value have."""
    if type(value) is dict:
        return len(value) + sum(map(count_members, value.values()))
    if type(value) is list:
        return sum(map(count_members, value))
    return 0


def _unique(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _DuplicateError


def container_fault(value: object, left: int, floats: list[float]) -> bool:
    """Tell whether a value is nested deeper than `left` levels of objects and arrays; its floats are collected."""
    if type(value) is dict:
        members: Iterable[object] = value.values()
    elif type(value) is list:
        members = value
    else:
        if type(value) is float:
            floats.append(value)
        return False
    if left <= 0:
        return True
    for member in members:  # noqa: SIM110 - a generator would double the time
        if type(member) is not str and container_fault(member, left - 1, floats):
            return True
    return False


def any_big(floats: list[float]) -> bool:
    """Tell whether a float has a magnitude of 2^63 or more: the raw text may hold an integer out of range."""
    for number in floats:  # noqa: SIM110 - most lists are empty, and a generator costs more than all else here
        if not -_BIG < number < _BIG:
            return True
    return False

"""Strings of events: those that a record key or header must not repeat, and an event's own as JSON."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson

from aegis_stream.errors import EventRefusedError, WriteReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GUARDED_CHARACTERS = 4
"""A shorter string says too little to be looked for: every header would hold it by chance."""

_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
)  # a value that JSON does not have is refused, not turned into something else


def sensitive_strings(values: Iterable[object]) -> frozenset[str]:
    """Return the strings of 4 characters or more inside sensitive values."""
    return frozenset(text for value in values for text in _strings(value) if len(text) >= GUARDED_CHARACTERS)


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield name
            yield from _strings(member)
    elif isinstance(value, list):
        for element in value:
            yield from _strings(element)


def strict_dumps(event: Mapping[str, Any]) -> bytes:
    """Return an event of Python values as JSON.

    Raises EventRefusedError: NUMBER (not finite, or an integer beyond 64 bits); TOO_DEEP; NOT_JSON (a value, key or
    lone surrogate that JSON does not have).
    """
    reason = WriteReason.NOT_JSON
    try:
        plain = dict(event)
        if _all_finite(plain):
            return orjson.dumps(plain, option=_OPTIONS)
        reason = WriteReason.NUMBER
    except RecursionError:
        reason = WriteReason.TOO_DEEP
    except (TypeError, ValueError) as fault:
        if "64-bit" in str(fault):
            reason = WriteReason.NUMBER
        elif "Recursion" in str(fault):
            reason = WriteReason.TOO_DEEP
    raise EventRefusedError(reason)


def _all_finite(value: object) -> bool:
    """Tell whether no float is NaN or infinite: orjson would write null."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_all_finite(member) for member in value.values())
    if isinstance(value, (list, tuple)):
        return all(_all_finite(element) for element in value)
    return True

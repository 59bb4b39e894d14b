"""Looks for the bytes of a secret in whatever a process may show."""

from __future__ import annotations

import base64
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_WINDOW = 12


def traces_of_key(private: bytes, text: str) -> list[str]:
    """Do the same for a HybridKEM private key, which holds its public key in the middle: that may be shown."""
    return traces_of(private[:1152], text) + traces_of(private[2368:], text)


def traces_of(secret: bytes, text: str) -> list[str]:
    """Return the forms (hex, base64, repr) in which pieces of the secret stand in the text."""
    return [form for form in _forms(secret) if form in text]


def _forms(secret: bytes) -> Iterator[str]:
    """Yield pieces of a secret as a dump would show them: from its ends and from between."""
    step = max(_WINDOW, len(secret) // 8 // _WINDOW * _WINDOW)  # a multiple of 3, where base64 groups begin
    for start in {*range(0, len(secret) - _WINDOW + 1, step), len(secret) - _WINDOW}:
        piece = secret[start : start + _WINDOW]
        yield piece.hex()
        yield repr(piece)[2:-1]
        if start % 3 == 0:
            yield base64.b64encode(piece).decode()


def told_by(error: BaseException) -> str:
    """Return all that a crash report with locals would show of an error and of what it is chained to.

    Frames of the tests are left out: a test holds what it plants.
    """
    parts = [repr(error), str(error), repr(error.args), repr(vars(error))]
    frames = [pair for pair in traceback.walk_tb(error.__traceback__) if "/tests/" not in pair[0].f_code.co_filename]
    stack = traceback.StackSummary.extract(iter(frames), capture_locals=True)
    parts += [f"{frame.filename}:{frame.lineno} {frame.line} {frame.locals}" for frame in stack]
    parts += [told_by(chained) for chained in (error.__cause__, error.__context__) if chained is not None]
    return "\n".join(parts)


def dump(thing: object) -> str:
    """Return what a dump of an object's attributes would show."""
    names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())} | set(
        getattr(thing, "__dict__", {})
    )
    values = {name: getattr(thing, name, None) for name in names}
    return f"{thing!r} {thing!s} {values!r}"

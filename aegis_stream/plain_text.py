"""Text that somebody else wrote, made fit to be shown.

Whoever may write to a topic chooses texts in commands, events and headers.  A page puts them in as text, never as
markup, and a terminal must not take them for commands of its own; here go the characters that would turn a line around,
hide in it or break it, and what is too long.
"""

from __future__ import annotations

MAX_TEXT = 300
_ELLIPSIS = "…"


def plain(text: str, *, longest: int = MAX_TEXT) -> str:
    r"""Return a text in one line of printable characters: others as `\u202e`, what is over `longest` cut off."""
    shown = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text[: longest + 1])
    return shown if len(text) <= longest else f"{shown[:longest]}{_ELLIPSIS} ({len(text):,} characters)"


def plain_value(value: object, *, longest: int = MAX_TEXT) -> object:
    """Return a JSON value with every text and every member's name made plain."""
    if isinstance(value, str):
        return plain(value, longest=longest)
    if isinstance(value, dict):
        return {plain(str(name), longest=longest): plain_value(each, longest=longest) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(each, longest=longest) for each in value]
    return value

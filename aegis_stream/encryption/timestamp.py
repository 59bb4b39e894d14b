"""`_encrypted_at`: a real UTC second, years 0001 to 9999."""

from __future__ import annotations

import datetime as dt
import re
from functools import lru_cache

_FORM = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)
_CHARACTERS = 20


def is_timestamp(text: str) -> bool:
    """Tell whether the text is `YYYY-MM-DDTHH:MM:SSZ` and in the calendar; a leap second is not."""
    return len(text) == _CHARACTERS and _is_in_calendar(text)


@lru_cache(maxsize=64)  # a second's events have one text
def _is_in_calendar(text: str) -> bool:
    match = _FORM.fullmatch(text)
    if match is None:
        return False
    try:
        dt.datetime(*map(int, match.groups()), tzinfo=dt.UTC)  # type: ignore[arg-type,misc]  # six integers
    except ValueError:
        return False
    return True

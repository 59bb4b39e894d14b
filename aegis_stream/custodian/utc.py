"""Times as the records write them: whole UTC seconds, `YYYY-MM-DDTHH:MM:SSZ`."""

from __future__ import annotations

import datetime as dt
import re

_FORM = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z", re.ASCII)


def parse_utc(text: object) -> dt.datetime | None:
    """Read a time; None for any other form, type or a second that is in no calendar."""
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        return dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None


def format_utc(moment: dt.datetime) -> str:
    """Write a time that knows its zone; parts of a second are cut off."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"

"""Options that say which part of a topic is read."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

import typer

from aegis_stream.client.spans import Bound
from aegis_stream.errors import ConfigurationError

_OFFSETS = re.compile(r"[0-9]{1,9}=[0-9]{1,18}(,[0-9]{1,9}=[0-9]{1,18})*", re.ASCII)

FromTimeOption = Annotated[
    str | None,
    typer.Option("--from-time", metavar="TIME", help="Begin at the first record that is not older, ISO 8601, UTC."),
]
UntilTimeOption = Annotated[
    str | None, typer.Option("--until-time", metavar="TIME", help="End before the first record that is not older.")
]
FromOffsetsOption = Annotated[
    str | None, typer.Option("--from-offsets", metavar="P=N,…", help="Begin at these offsets of these partitions.")
]
UntilOffsetsOption = Annotated[
    str | None, typer.Option("--until-offsets", metavar="P=N,…", help="End before these offsets of these partitions.")
]


def bound(offsets: str | None, time: str | None) -> Bound:
    """Return one end of what is read.  Raises ConfigurationError: both are given, or one has not its form."""
    return Bound(offsets=_offsets(offsets), time=None if time is None else _time(time))


def _offsets(text: str | None) -> dict[int, int]:
    if text is None:
        return {}
    if not _OFFSETS.fullmatch(text):
        raise ConfigurationError(
            "offsets are given as PARTITION=OFFSET, comma between them", remedy="for example 0=1500,1=1498"
        )
    pairs = [entry.split("=") for entry in text.split(",")]
    return {int(partition): int(offset) for partition, offset in pairs}


def _time(text: str) -> dt.datetime:
    moment: dt.datetime | None = None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None:
        raise ConfigurationError("a time has the form 2026-01-31T23:59:59Z", remedy="a day alone means its beginning")
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment

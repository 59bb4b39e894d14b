"""One thing that was looked at, and what came of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.errors import AegisError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Status(StrEnum):
    """What came of a check.  Only FAILED makes a start unsafe."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(NamedTuple):
    """One row: `found` and `remedy` hold no value, key or PIN."""

    area: str
    what: str
    status: Status
    found: str
    remedy: str = ""


class Role(StrEnum):
    """What is to be started: the roles need different keys."""

    READER = "reader"
    ENRICHER = "enricher"
    ROTATOR = "rotator"


def guarded(area: str, what: str, look: Callable[[], Iterable[Check]]) -> Iterator[Check]:
    """Yield the rows of a check; an error of our tree becomes a failed one, with its remedy."""
    try:
        yield from look()
    except AegisError as error:
        yield failed(area, what, error)


def failed(area: str, what: str, error: AegisError) -> Check:
    """Return the row of an error."""
    later = "trying again later may help" if error.retryable else ""
    return Check(area, what, Status.FAILED, f"{error} ({error.reason})", error.remedy or later)


def skipped(area: str, what: str, because: str) -> Check:
    """Return the row of what could not be looked at."""
    return Check(area, what, Status.SKIPPED, because)

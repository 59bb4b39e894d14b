"""Both readers behind one answer, so that they can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.encryption import Opened
from tests.support.second_decoder import reader

if TYPE_CHECKING:
    from tests.support.second_decoder.reader import Keys
    from tests.support.vector_keys import EveryEngine


class Verdict(NamedTuple):
    """What a reader said; `event` as text that tells 1 from 1.0 and True, and keeps the order of members."""

    reason: str = ""
    path: str = ""
    event: str = ""
    source: str | None = None


def by_library(decryptor: EveryEngine, raw: bytes) -> Verdict:
    """Ask the library."""
    (result,) = decryptor.open_batch([raw])
    if isinstance(result, Opened):
        return Verdict(event=repr(result.event), source=result.source)
    return Verdict(str(result.reason), result.path)


def by_second(keys: Keys, raw: bytes) -> Verdict:
    """Ask the second decoder."""
    try:
        opened = reader.read(raw, keys)
    except reader.RefusedError as refused:
        return Verdict(refused.reason, refused.path)
    return Verdict(event=repr(opened.event), source=opened.source)


def exact(event: dict[str, Any]) -> str:
    """Give an event as the verdicts show it."""
    return repr(event)

"""Under which DEK version a record says that it stands; no key is needed, and nothing of it is verified."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from aegis_stream.wire import DekVersion
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from aiokafka import ConsumerRecord

_SEALED_HEAD = b"\x11d"
_VERSION_HEADER = "aegis-dek-version"


def event_version(value: bytes | None) -> DekVersion | None:
    """Return the version in an event's `_aegis.dek`; None where there is none of the right form."""
    if value is None:
        return None
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    head = event.get("_aegis") if isinstance(event, dict) else None
    text = head.get("dek") if isinstance(head, dict) else None
    return _parsed(text) if isinstance(text, str) else None


def record_version(record: ConsumerRecord) -> DekVersion | None:
    """Return the version of an event, or of a sealed record, which stands in its headers."""
    if record.value is None or not record.value.startswith(_SEALED_HEAD):
        return event_version(record.value)
    for name, value in record.headers:
        if name == _VERSION_HEADER:
            return _parsed(bytes(value or b"").decode("ascii", "replace"))
    return None


@lru_cache(maxsize=1_024)
def _parsed(text: str) -> DekVersion | None:
    return DekVersion.parse(text) if is_dek_version(text) else None

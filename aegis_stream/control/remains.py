"""Is a wrap of a DEK in a record?  For whoever looks for what is left of a destroyed one in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.control.rewrap import Rewrap
from aegis_stream.errors import CommandRefusedError, ManifestRefusedError
from aegis_stream.keyring.dek_record import DEK_PREFIX, DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind

if TYPE_CHECKING:
    from aegis_stream.wire import DekVersion


def wraps_in(key: bytes | None, value: bytes | None, version: DekVersion) -> tuple[str, ...]:
    """Return the ids of the KEKs under which a control record holds this DEK's private key, whoever wrote it.

    DEK records and rewraps are looked into under any key.  A value under the DEK's own key that is neither is answered
    with "?": nobody can say that it holds none.
    """
    if value is None:
        return ()
    record = _dek_record(value)
    if record is not None:
        return tuple(sorted(record.wraps)) if record.version == version else ()
    rewrap = _rewrap(value)
    if rewrap is not None:
        return (rewrap.kek,) if rewrap.version == version else ()
    own = (DEK_PREFIX + version.text).encode()
    is_rewrap = key is not None and key.startswith(b"rewrap/") and key.endswith(b"/" + version.text.encode())
    return ("?",) if key == own or is_rewrap else ()


def _dek_record(value: bytes) -> DekRecord | None:
    try:
        return DekRecord.from_bytes(value)
    except ManifestRefusedError:
        return None


def _rewrap(value: bytes) -> Rewrap | None:
    try:
        return Rewrap.from_payload(Envelope.parse(value, Kind.REWRAP).payload)
    except (ManifestRefusedError, CommandRefusedError):
        return None

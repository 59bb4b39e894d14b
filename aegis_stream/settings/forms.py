"""Forms of settings that pydantic has no type for: base64 keys, one or several."""

from __future__ import annotations

from collections.abc import Sequence

from aegis_stream.errors import KeyRefusedError
from aegis_stream.wire import b64decode


def key_bytes(value: object, *, length: int) -> bytes:
    """Return a key of `length` bytes from its base64 text, or as it is from bytes.

    Raises ValueError without the value (pydantic turns it into an error of the field).
    """
    raw = b""
    if isinstance(value, bytes):
        raw = value
    elif isinstance(value, str):
        try:
            raw = b64decode(value.strip())
        except KeyRefusedError:
            raw = b""
    if len(raw) != length:
        raise ValueError(f"is not canonical base64 of {length:,} bytes")
    return raw


def key_list(value: object, *, length: int) -> tuple[bytes, ...]:
    """Return keys of `length` bytes from base64 texts between commas or line breaks, or from a sequence.

    Raises ValueError without the value, also where a key stands there twice.
    """
    parts: Sequence[object]
    if isinstance(value, str):
        parts = value.replace(",", " ").split()
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        parts = value
    else:
        parts = (value,)
    keys = tuple(key_bytes(part, length=length) for part in parts)
    if len(set(keys)) != len(keys):
        raise ValueError("names one key twice")
    return keys

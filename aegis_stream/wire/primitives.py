"""Length prefixes and canonical base64."""

from __future__ import annotations

import binascii

from aegis_stream.errors import KeyReason, KeyRefusedError, TooLongError

ALG = "x25519+ml-kem-768+aes-256-gcm"
"""The one algorithm of version 1, as it stands in `_algorithm` and in every key derivation."""

LP_MAX = 0xFFFF
"""The longest value, in bytes, that a 2-byte length prefix holds."""

_LP32_MAX = 0xFFFFFFFE  # 2^32 - 1 means "absent"
ABSENT = b"\xff\xff\xff\xff"


def lp(value: bytes) -> bytes:
    """Return the length in 2 bytes, big-endian, then the value.

    Raises TooLongError: the value has more than 65,535 bytes.
    """
    if len(value) > LP_MAX:
        raise TooLongError(f"a length prefix of 2 bytes cannot hold {len(value)} bytes")
    return len(value).to_bytes(2, "big") + value


def lp32(value: bytes | None) -> bytes:
    """Return the length in 4 bytes, big-endian, then the value; None is the length 2^32-1 and nothing.

    Raises TooLongError: the value has more than 2^32-2 bytes.
    """
    if value is None:
        return ABSENT
    if len(value) > _LP32_MAX:
        raise TooLongError("a length prefix of 4 bytes cannot hold the value")
    return len(value).to_bytes(4, "big") + value


def b64encode(raw: bytes) -> str:
    """Return standard base64 with padding, without line breaks."""
    return binascii.b2a_base64(raw, newline=False).decode()


def b64decode_or_none(text: str) -> bytes | None:
    """Decode canonical base64; None for anything else.

    `b2a` of what `a2b` accepted must be the same text: the strict mode alone accepts stray bits before the padding.
    """
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    return raw if binascii.b2a_base64(raw, newline=False).decode() == text else None


def b64decode(text: str) -> bytes:
    """Decode canonical base64.

    Raises KeyRefusedError(ENCODING): other characters, no or wrong padding, stray bits, line breaks.
    """
    raw = b64decode_or_none(text)
    if raw is None:
        raise KeyRefusedError(
            KeyReason.ENCODING,
            "not canonical base64 (standard alphabet, padding, one line)",
            remedy="copy the value again, whole and without line breaks",
        )
    return raw

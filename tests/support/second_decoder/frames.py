"""Frames and grammars: LP, base64, hex, the texts with a fixed form, HKDF."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import re

ALG = "x25519+ml-kem-768+aes-256-gcm"
FIRST_BYTE = 0x11

_DEK = re.compile(r"dek-v([1-9][0-9]{0,8})-([0-9]{4})([0-9]{2})([0-9]{2})")
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,249}/(0|[1-9][0-9]{0,9})/(0|[1-9][0-9]{0,18})")


class TooLongError(Exception):
    """LP cannot hold it."""


def lp(data: bytes | str) -> bytes:
    """u16 length, then the bytes; text enters as UTF-8.  Raises TooLongError."""
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > 0xFFFF:
        raise TooLongError
    return len(raw).to_bytes(2, "big") + raw


def lp32(data: bytes | None) -> bytes:
    """u32 length, then the bytes; absent is the length 2^32-1 alone."""
    if data is None:
        return b"\xff" * 4
    if len(data) >= 0xFFFFFFFF:
        raise TooLongError
    return len(data).to_bytes(4, "big") + data


def b64(data: bytes) -> str:
    """Canonical base64."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes | None:
    """Decode canonical base64; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if b64(data) == text else None


def is_hex(text: object, size: int) -> bool:
    """Whether it is the lower-case hex of `size` bytes."""
    return isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{2 * size}}}", text) is not None


def dek_number(text: object) -> int | None:
    """Read the n of a DEK version; None where the text has another form or its date is not in the calendar."""
    match = _DEK.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    if match is None:
        return None
    try:
        dt.date(*(int(part) for part in match.groups()[1:]))
    except ValueError:
        return None
    return int(match.group(1))


def is_time(text: object) -> bool:
    """Whether it is a real UTC second of the years 0001 to 9999."""
    match = _TIME.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    if match is None:
        return False
    try:
        year, month, day, hour, minute, second = (int(part) for part in match.groups())
        dt.datetime(year, month, day, hour, minute, second, tzinfo=dt.UTC)
    except ValueError:
        return False
    return True


def is_source(text: object) -> bool:
    """Whether it is topic/partition/offset as Kafka has them."""
    match = _SOURCE.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    return match is not None and int(match.group(1)) < 2**31 and int(match.group(2)) < 2**63


def hkdf(secret: bytes, info: bytes, size: int) -> bytes:
    """HKDF-SHA256 (RFC 5869) with an empty salt."""
    prk = hmac.new(b"", secret, hashlib.sha256).digest()
    out, block = b"", b""
    for counter in range(1, -(-size // 32) + 1):
        block = hmac.new(prk, block + info + bytes([counter]), hashlib.sha256).digest()
        out += block
    return out[:size]


def sha256(data: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def kek_id(public: bytes) -> str:
    """`kek-` and 16 hex digits."""
    return "kek-" + sha256(public).hex()[:16]


def signer_id(public: bytes) -> str:
    """16 hex digits of the SHA-256 of an enricher's Ed25519 public key."""
    return sha256(public).hex()[:16]

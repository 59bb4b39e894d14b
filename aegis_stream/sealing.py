"""Sealed records: what a dead letter carries.

    value     = u8(0x11) ‖ u8('d') ‖ encapsulation to the DEK (1,120) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
    plaintext = LP32(record key) ‖ LP32(record value) ‖ u16(number of headers) ‖ for each LP(name) ‖ LP32(value)

An absent key or value has the length 2^32-1.  A dead letter may be forged by whoever may write to its topic, so what
is opened from one is trusted as little as the raw topic.  See docs/wire-format.md, "A sealed record".
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aegis_stream.errors import KeyReason, KeyRefusedError, TooLongError
from aegis_stream.hybrid import ENCAPSULATION_BYTES, HybridPublicKey
from aegis_stream.wire import ALG, DekVersion, lp, lp32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEAD = b"\x11d"
_NONCE_BYTES = 12
_TAG_BYTES = 16
_OVERHEAD = len(_HEAD) + ENCAPSULATION_BYTES + _NONCE_BYTES + _TAG_BYTES
_ABSENT = 0xFFFFFFFF
_HEADERS_MAX = 0xFFFF


class SourceRecord(NamedTuple):
    """Where a record stood: topic, partition, offset."""

    topic: str
    partition: int
    offset: int


class OpenedRecord(NamedTuple):
    """What a sealed record held: key, value, headers (name, value)."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def __repr__(self) -> str:
        """Show nothing of the record."""
        return "<OpenedRecord>"


def _key(shared_secret: bytes, dek_public_key: bytes) -> AESGCM:
    info = lp(b"aegis-stream/v1/seal") + lp(ALG.encode()) + lp(hashlib.sha256(dek_public_key).digest())
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared_secret))


def _aad(dek_version: str, source: SourceRecord, reason: str) -> bytes:
    DekVersion.parse(dek_version)
    return (
        lp(b"aegis-stream/v1/dead-letter")
        + lp(dek_version.encode())
        + lp(source.topic.encode())
        + lp(b"%d" % source.partition)
        + lp(b"%d" % source.offset)
        + lp(reason.encode())
    )


def seal_record(  # noqa: PLR0913 - each is a part of what is sealed, all by name
    *,
    dek_public_key: HybridPublicKey,
    dek_version: str,
    source: SourceRecord,
    reason: str,
    key: bytes | None,
    value: bytes | None,
    headers: Sequence[tuple[str, bytes | None]] = (),
) -> bytes:
    """Seal a record to a DEK; 1,150 bytes longer than key, value, headers and their length prefixes.

    reason: of a closed list: WriteReason for a raw record, also ReadReason for one of encrypted history.
    Raises TooLongError: more than 65,535 headers, or a header's name beyond 65,535 bytes.
    """
    if len(headers) > _HEADERS_MAX:
        raise TooLongError("a sealed record holds at most 65,535 headers")
    parts = [lp32(key), lp32(value), len(headers).to_bytes(2, "big")]
    for name, content in headers:
        parts += (lp(name.encode()), lp32(content))
    encapsulation, secret = dek_public_key.encapsulate()
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _key(secret, dek_public_key.raw).encrypt(nonce, b"".join(parts), _aad(dek_version, source, reason))
    return _HEAD + encapsulation + nonce + sealed


def open_record(  # noqa: PLR0913 - each is a part of what is authenticated, all by name
    sealed: bytes,
    *,
    decapsulate: Callable[[bytes], bytes],
    dek_public_key: bytes,
    dek_version: str,
    source: SourceRecord,
    reason: str,
) -> OpenedRecord:
    """Open a sealed record with the DEK's private key (its `decapsulate`).

    Raises KeyRefusedError(UNWRAP): not such a record, changed, or of another DEK, source or reason.
    """
    plaintext: bytes | None = None
    if len(sealed) >= _OVERHEAD and sealed.startswith(_HEAD):
        after_kem = len(_HEAD) + ENCAPSULATION_BYTES
        secret = decapsulate(sealed[len(_HEAD) : after_kem])
        nonce, body = sealed[after_kem : after_kem + _NONCE_BYTES], sealed[after_kem + _NONCE_BYTES :]
        try:
            plaintext = _key(secret, dek_public_key).decrypt(nonce, body, _aad(dek_version, source, reason))
        except InvalidTag:
            plaintext = None
    opened = None if plaintext is None else _split(plaintext)
    if opened is None:
        raise KeyRefusedError(
            KeyReason.UNWRAP,
            f"a sealed record does not open under {dek_version}",
            remedy="it was changed, or belongs to another DEK version, source record or reason",
        )
    return opened


def _split(plaintext: bytes) -> OpenedRecord | None:
    """Take the plaintext apart; None where it is not exactly of its form."""
    at = 0

    def take(length: int) -> bytes:
        nonlocal at
        if at + length > len(plaintext):
            raise EOFError
        at += length
        return plaintext[at - length : at]

    def take_lp32() -> bytes | None:
        length = int.from_bytes(take(4), "big")
        return None if length == _ABSENT else take(length)

    try:
        key, value = take_lp32(), take_lp32()
        headers = tuple(
            (take(int.from_bytes(take(2), "big")).decode(), take_lp32()) for _ in range(int.from_bytes(take(2), "big"))
        )
    except (EOFError, UnicodeDecodeError):
        return None
    return OpenedRecord(key, value, headers) if at == len(plaintext) else None

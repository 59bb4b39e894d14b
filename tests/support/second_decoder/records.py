"""Wrapped DEK private keys and sealed records."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import xwing
from .frames import ALG, FIRST_BYTE, hkdf, kek_id, lp, lp32, sha256

Headers: TypeAlias = "list[tuple[str, bytes | None]]"

WRAPPED_BYTES = 2 + xwing.ENCAPSULATION_BYTES + 12 + xwing.PRIVATE_BYTES + 16
_START = 2 + xwing.ENCAPSULATION_BYTES + 12


class BadRecordError(Exception):
    """The bytes are refused; the argument says at which step."""

    def __init__(self, reason: str) -> None:
        """Keep one of form, encapsulation, tag, content, mismatch."""
        super().__init__(reason)
        self.reason = reason


class Where(NamedTuple):
    """What a sealed record is bound to besides its DEK version."""

    topic: str
    partition: int
    offset: int
    reason: str


class Record(NamedTuple):
    """A Kafka record as it was; None is absent."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def _key(shared: bytes, label: str, public: bytes) -> bytes:
    return hkdf(shared, lp(label) + lp(ALG) + lp(sha256(public)), 32)


def _make(public: bytes, kind: str, aad: bytes, plaintext: bytes, drawn: tuple[bytes, bytes]) -> bytes:
    eseed, nonce = drawn
    encapsulation, shared = xwing.encapsulate(public, eseed)
    key = _key(shared, {"k": "aegis-stream/v1/wrap", "d": "aegis-stream/v1/seal"}[kind], public)
    sealed = AESGCM(key).encrypt(nonce, plaintext, aad)
    return bytes([FIRST_BYTE]) + kind.encode() + encapsulation + nonce + sealed


def _open(blob: bytes, kind: str, aad: bytes, pair: xwing.Pair) -> bytes:
    if len(blob) < _START + 16 or blob[0] != FIRST_BYTE or blob[1:2] != kind.encode():
        raise BadRecordError("form")
    try:
        shared = xwing.decapsulate(pair.private, blob[2 : 2 + xwing.ENCAPSULATION_BYTES])
    except xwing.AllZeroError:
        raise BadRecordError("encapsulation") from None
    key = _key(shared, {"k": "aegis-stream/v1/wrap", "d": "aegis-stream/v1/seal"}[kind], pair.public)
    try:
        return AESGCM(key).decrypt(blob[_START - 12 : _START], blob[_START:], aad)
    except InvalidTag:
        raise BadRecordError("tag") from None


def _wrap_aad(version: str, kek_public: bytes, dek_public: bytes) -> bytes:
    return lp("aegis-stream/v1/dek") + lp(version) + lp(kek_id(kek_public)) + lp(dek_public)


def wrap(dek: xwing.Pair, version: str, kek_public: bytes, *, eseed: bytes, nonce: bytes) -> bytes:
    """Wrap a DEK's private key under a KEK's public key."""
    return _make(kek_public, "k", _wrap_aad(version, kek_public, dek.public), dek.private, (eseed, nonce))


def unwrap(wrapped: bytes, version: str, dek_public: bytes, kek: xwing.Pair) -> bytes:
    """Return the DEK's private key, its public key compared with the record's; raise BadRecordError."""
    if len(wrapped) != WRAPPED_BYTES:
        raise BadRecordError("form")
    private = _open(wrapped, "k", _wrap_aad(version, kek.public, dek_public), kek)
    try:
        xwing.check_private(private, dek_public)
    except xwing.BadKeyError as error:
        raise BadRecordError("mismatch" if error.reason == "mismatch" else "content") from None
    return private


def _seal_aad(version: str, where: Where) -> bytes:
    parts = (version, where.topic, str(where.partition), str(where.offset), where.reason)
    return lp("aegis-stream/v1/dead-letter") + b"".join(lp(part) for part in parts)


def pack(record: Record) -> bytes:
    """Pack the plaintext of a sealed record."""
    out = lp32(record.key) + lp32(record.value) + len(record.headers).to_bytes(2, "big")
    return out + b"".join(lp(name) + lp32(value) for name, value in record.headers)


def unpack(plaintext: bytes) -> Record:
    """Split the plaintext of a sealed record; raise BadRecordError."""
    rest = plaintext

    def take(size: int) -> bytes:
        nonlocal rest
        if len(rest) < size:
            raise BadRecordError("content")
        head, rest = rest[:size], rest[size:]
        return head

    def take32() -> bytes | None:
        size = int.from_bytes(take(4), "big")
        return None if size == 0xFFFFFFFF else take(size)

    key, value = take32(), take32()
    headers: Headers = []
    for _ in range(int.from_bytes(take(2), "big")):
        raw = take(int.from_bytes(take(2), "big"))
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise BadRecordError("content") from None
        headers.append((name, take32()))
    if rest:
        raise BadRecordError("content")
    return Record(key, value, headers)


def seal(record: Record, version: str, where: Where, public: bytes, *, eseed: bytes, nonce: bytes) -> bytes:  # noqa: PLR0913 -- one record's parts
    """Seal a record for a DEK's public key."""
    return seal_bytes(pack(record), version, where, public, eseed=eseed, nonce=nonce)


def seal_bytes(plaintext: bytes, version: str, where: Where, public: bytes, *, eseed: bytes, nonce: bytes) -> bytes:  # noqa: PLR0913 -- one record's parts
    """Seal a plaintext that may be no record at all."""
    return _make(public, "d", _seal_aad(version, where), plaintext, (eseed, nonce))


def open_sealed(sealed: bytes, version: str, where: Where, pair: xwing.Pair) -> Record:
    """Open a sealed record; raise BadRecordError."""
    return unpack(_open(sealed, "d", _seal_aad(version, where), pair))

"""X-Wing with the expanded private key: the format's HybridKEM.

public key      ML-KEM-768 public key (1,184) ‖ X25519 public key (32)             1,216 bytes
private key     ML-KEM-768 expanded private key (2,400) ‖ X25519 private key (32)  2,432 bytes
encapsulation   ML-KEM-768 ciphertext (1,088) ‖ X25519 ephemeral public key (32)   1,120 bytes
shared secret   SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label)                           32 bytes

Making keys and encapsulating take their randomness as an argument; decapsulation uses pqcrypto's ML-KEM.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pqcrypto.kem import ml_kem_768

from . import mlkem

PUBLIC_BYTES, PRIVATE_BYTES, ENCAPSULATION_BYTES = 1216, 2432, 1120
_LABEL = bytes.fromhex("5c2e2f2f5e5c")


class BadKeyError(Exception):
    """A key is refused; the argument is the reason."""

    def __init__(self, reason: str) -> None:
        """Keep one of length, modulus, low-order, inconsistent, mismatch."""
        super().__init__(reason)
        self.reason = reason


class AllZeroError(Exception):
    """X25519 gave the all-zero result: the encapsulation is refused."""


class Pair(NamedTuple):
    """A key pair in the expanded form."""

    private: bytes
    public: bytes


def x25519(private: bytes, public: bytes) -> bytes:
    """RFC 7748, refusing the all-zero result with AllZeroError."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise AllZeroError from error


def x25519_public(private: bytes) -> bytes:
    """Compute the public key of a private one."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def expand(seed: bytes) -> Pair:
    """Expand X-Wing's 32-byte seed key into the pair."""
    expanded = hashlib.shake_256(seed).digest(96)
    public, private = mlkem.keygen(expanded[:32], expanded[32:64])
    return Pair(private + expanded[64:], public + x25519_public(expanded[64:]))


def _combine(post_quantum: bytes, classical: bytes, ephemeral: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(post_quantum + classical + ephemeral + public + _LABEL).digest()


def encapsulate(public: bytes, eseed: bytes) -> tuple[bytes, bytes]:
    """Return (encapsulation, shared secret); `eseed` is the ML-KEM message (32) ‖ the X25519 ephemeral key (32)."""
    ephemeral = x25519_public(eseed[32:])
    ciphertext, post_quantum = mlkem.encapsulate(public[:1184], eseed[:32])
    classical = x25519(eseed[32:], public[1184:])
    return ciphertext + ephemeral, _combine(post_quantum, classical, ephemeral, public[1184:])


def decapsulate(private: bytes, encapsulation: bytes) -> bytes:
    """Return the shared secret; raise AllZeroError."""
    post_quantum = ml_kem_768.decaps(private[:2400], encapsulation[:1088])
    ephemeral = encapsulation[1088:]
    classical = x25519(private[2400:], ephemeral)
    return _combine(post_quantum, classical, ephemeral, x25519_public(private[2400:]))


def check_public(public: bytes) -> None:
    """Judge a public key as on load; raise BadKeyError."""
    if len(public) != PUBLIC_BYTES:
        raise BadKeyError("length")
    if not mlkem.reduced(public[:1184]):
        raise BadKeyError("modulus")
    try:
        x25519(b"\x01" * 32, public[1184:])
    except AllZeroError:
        raise BadKeyError("low-order") from None


def public_of(private: bytes) -> bytes:
    """Return the public key that stands in an expanded private key, its X25519 half computed."""
    return private[1152:2336] + x25519_public(private[2400:])


def check_private(private: bytes, public: bytes | None = None) -> None:
    """Judge a private key as on load, against the recorded public key where there is one; raise BadKeyError."""
    if len(private) != PRIVATE_BYTES:
        raise BadKeyError("length")
    stored = private[1152:2336]
    if hashlib.sha3_256(stored).digest() != private[2336:2368] or not mlkem.reduced(stored):
        raise BadKeyError("inconsistent")
    ciphertext, secret = mlkem.encapsulate(stored, bytes(range(32)))
    if ml_kem_768.decaps(private[:2400], ciphertext) != secret:
        raise BadKeyError("inconsistent")
    if public is not None and public_of(private) != public:
        raise BadKeyError("mismatch")

"""HybridKEM: X25519 and ML-KEM-768 as one key encapsulation mechanism.

It is X-Wing (draft-connolly-cfrg-xwing-kem) with the ML-KEM private key in its expanded form, so both halves would
have to be broken before a shared secret is known.  ML-KEM rejects implicitly: a changed encapsulation gives another
secret and no error, and only the tag of what was encrypted under it refuses.

See docs/wire-format.md, "Keys".
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple, NoReturn

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from pqcrypto.kem import ml_kem_768

from aegis_stream.errors import KeyReason, KeyRefusedError

MLKEM_PUBLIC_BYTES = 1184
MLKEM_PRIVATE_BYTES = 2400
MLKEM_CIPHERTEXT_BYTES = 1088
X25519_BYTES = 32

PUBLIC_KEY_BYTES = MLKEM_PUBLIC_BYTES + X25519_BYTES
PRIVATE_KEY_BYTES = MLKEM_PRIVATE_BYTES + X25519_BYTES
ENCAPSULATION_BYTES = MLKEM_CIPHERTEXT_BYTES + X25519_BYTES
SHARED_SECRET_BYTES = 32

_LABEL = bytes.fromhex("5c2e2f2f5e5c")

# FIPS 203, expanded private key: dk_PKE (1,152) ‖ public key (1,184) ‖ SHA3-256 of the public key (32) ‖ z (32).
_PUBLIC_AT = 1152
_HASH_AT = _PUBLIC_AT + MLKEM_PUBLIC_BYTES
_HASH_END = _HASH_AT + 32


class HybridKeypair(NamedTuple):
    """A keypair as bytes: private (2,432), public (1,216)."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        """Show no key."""
        return "<HybridKeypair>"


class Encapsulated(NamedTuple):
    """What encapsulating gives: encapsulation (1,120 bytes, public), shared_secret (32 bytes, secret)."""

    encapsulation: bytes
    shared_secret: bytes

    def __repr__(self) -> str:
        """Show no secret."""
        return "<Encapsulated>"


def _combine(ss_m: bytes, ss_x: bytes, ct_x: bytes, pk_x: bytes) -> bytes:
    """Return the shared secret, 32 bytes: SHA3-256(ss_M ‖ ss_X ‖ ct_X ‖ pk_X ‖ label)."""
    return hashlib.sha3_256(ss_m + ss_x + ct_x + pk_x + _LABEL).digest()


def _exchange(private: X25519PrivateKey, public: X25519PublicKey) -> bytes | None:
    """Return the X25519 result, 32 bytes, or None where it is all zero (the point is of low order)."""
    try:
        return private.exchange(public)
    except ValueError:
        return None


class HybridPublicKey:
    """A checked HybridKEM public key: ML-KEM-768 public key (1,184) ‖ X25519 public key (32)."""

    __slots__ = ("_mlkem", "_x25519", "raw")

    def __init__(self, raw: bytes, mlkem: MLKEM768PublicKey, x25519: X25519PublicKey) -> None:
        """Hold what `from_bytes` has checked; use that."""
        self.raw = raw
        self._mlkem = mlkem
        self._x25519 = x25519

    @classmethod
    def from_bytes(cls, raw: bytes) -> HybridPublicKey:
        """Load 1,216 bytes.

        Raises KeyRefusedError: LENGTH; MODULUS (FIPS 203, 7.2: a coefficient is not below 3,329); LOW_ORDER (the
        X25519 half is a point of low order).
        """
        if len(raw) != PUBLIC_KEY_BYTES:
            raise KeyRefusedError(
                KeyReason.LENGTH,
                f"a HybridKEM public key has {PUBLIC_KEY_BYTES} bytes, this one has {len(raw)}",
                remedy="a private key has 2,432 bytes: look whether the two were swapped or one was cut off",
            )
        raw = bytes(raw)
        mlkem: MLKEM768PublicKey | None
        try:
            mlkem = MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_BYTES])
        except ValueError:
            mlkem = None
        if mlkem is None:
            raise KeyRefusedError(KeyReason.MODULUS, "the ML-KEM-768 half of a public key fails the modulus check")
        x25519 = X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_BYTES:])
        if _exchange(X25519PrivateKey.generate(), x25519) is None:
            raise KeyRefusedError(KeyReason.LOW_ORDER, "the X25519 half of a public key is of low order")
        return cls(raw, mlkem, x25519)

    def encapsulate(self) -> Encapsulated:
        """Make a fresh shared secret for the holder of the private key."""
        ss_m, ct_m = self._mlkem.encapsulate()
        ephemeral = X25519PrivateKey.generate()
        ct_x = ephemeral.public_key().public_bytes_raw()
        ss_x = ephemeral.exchange(self._x25519)
        return Encapsulated(ct_m + ct_x, _combine(ss_m, ss_x, ct_x, self.raw[MLKEM_PUBLIC_BYTES:]))

    def __repr__(self) -> str:
        """Show the fingerprint only; it is public."""
        return f"<HybridPublicKey sha256:{hashlib.sha256(self.raw).hexdigest()[:16]}>"


class HybridPrivateKey:
    """A checked HybridKEM private key: ML-KEM-768 expanded private key (2,400) ‖ X25519 private key (32).

    It has no equality, cannot be copied or pickled, and shows no byte of itself; `export` is the one way out.
    """

    __slots__ = ("_mlkem", "_x25519", "_x25519_public", "public")

    def __init__(self, mlkem: bytes, x25519: X25519PrivateKey) -> None:
        """Hold what `from_bytes` has checked; use that."""
        self._mlkem = mlkem
        self._x25519 = x25519
        self._x25519_public = x25519.public_key().public_bytes_raw()
        self.public = mlkem[_PUBLIC_AT:_HASH_AT] + self._x25519_public

    @classmethod
    def from_bytes(cls, raw: bytes, *, public: bytes | None = None) -> HybridPrivateKey:
        """Load 2,432 bytes; `public` is the public key that must belong to it, where there is a record of one.

        Raises KeyRefusedError: LENGTH; INCONSISTENT (the stored hash is not that of the stored public key, or an
        encapsulation to it does not come back); MISMATCH (it does not belong to `public`); and what
        `HybridPublicKey.from_bytes` raises for the public key inside.
        """
        if len(raw) != PRIVATE_KEY_BYTES:
            raise KeyRefusedError(
                KeyReason.LENGTH,
                f"a HybridKEM private key has {PRIVATE_KEY_BYTES} bytes, this one has {len(raw)}",
                remedy="a public key has 1,216 bytes: look whether the two were swapped or one was cut off",
            )
        raw = bytes(raw)
        mlkem = raw[:MLKEM_PRIVATE_BYTES]
        digest = hashlib.sha3_256(mlkem[_PUBLIC_AT:_HASH_AT]).digest()
        if not hmac.compare_digest(digest, mlkem[_HASH_AT:_HASH_END]):
            raise KeyRefusedError(KeyReason.INCONSISTENT, "the ML-KEM-768 half of a private key is damaged")
        key = cls(mlkem, X25519PrivateKey.from_private_bytes(raw[MLKEM_PRIVATE_BYTES:]))
        if public is not None and not hmac.compare_digest(key.public, public):
            raise KeyRefusedError(KeyReason.MISMATCH, "a private key does not belong to the public key on record")
        probe = HybridPublicKey.from_bytes(key.public).encapsulate()
        if not hmac.compare_digest(key.decapsulate(probe.encapsulation), probe.shared_secret):
            raise KeyRefusedError(KeyReason.INCONSISTENT, "the ML-KEM-768 half of a private key does not decapsulate")
        return key

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes, of an encapsulation of 1,120 bytes.

        Raises KeyRefusedError(ENCAPSULATION): the length is wrong or its X25519 half is of low order.  Any other
        change gives another secret and no error.
        """
        if len(encapsulation) != ENCAPSULATION_BYTES:
            raise KeyRefusedError(
                KeyReason.ENCAPSULATION,
                f"an encapsulation has {ENCAPSULATION_BYTES} bytes, this one has {len(encapsulation)}",
            )
        ct_m, ct_x = encapsulation[:MLKEM_CIPHERTEXT_BYTES], encapsulation[MLKEM_CIPHERTEXT_BYTES:]
        ss_x = _exchange(self._x25519, X25519PublicKey.from_public_bytes(ct_x))
        if ss_x is None:
            raise KeyRefusedError(KeyReason.ENCAPSULATION, "the X25519 half of an encapsulation is of low order")
        ss_m: bytes = ml_kem_768.decaps(self._mlkem, ct_m)
        return _combine(ss_m, ss_x, ct_x, self._x25519_public)

    def export(self) -> bytes:
        """Return the 2,432 bytes: for wrapping and provisioning, nowhere else."""
        return self._mlkem + self._x25519.private_bytes_raw()

    def __repr__(self) -> str:
        """Show the fingerprint of the public key only."""
        return f"<HybridPrivateKey of sha256:{hashlib.sha256(self.public).hexdigest()[:16]}>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "private keys are never copied"
        raise TypeError(msg)


class HybridKEM:
    """The mechanism over plain bytes; every key is checked on each call."""

    @staticmethod
    def generate_keypair() -> HybridKeypair:
        """Make a keypair from the operating system's randomness."""
        mlkem_public, mlkem_private = ml_kem_768.keygen()
        x25519 = X25519PrivateKey.generate()
        return HybridKeypair(
            private=mlkem_private + x25519.private_bytes_raw(),
            public=mlkem_public + x25519.public_key().public_bytes_raw(),
        )

    @staticmethod
    def encapsulate(public_key: bytes) -> Encapsulated:
        """Encapsulate to a public key of 1,216 bytes; raises as `HybridPublicKey.from_bytes`."""
        return HybridPublicKey.from_bytes(public_key).encapsulate()

    @staticmethod
    def decapsulate(private_key: bytes, encapsulation: bytes) -> bytes:
        """Return the shared secret; raises as `HybridPrivateKey.from_bytes` and its `decapsulate`."""
        return HybridPrivateKey.from_bytes(private_key).decapsulate(encapsulation)

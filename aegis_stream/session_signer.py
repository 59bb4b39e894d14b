"""The key by which an enricher shows that a session is its own: Ed25519.

Encryption to a public key authenticates nobody.  See docs/wire-format.md, "The session".
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.wire import lp, signer_id

SEED_BYTES = 32
SIGNATURE_BYTES = 64

_ORDER = 2**252 + 27742317777372353535851937790883648493


def session_message(dek_version: str, encapsulation: bytes) -> bytes:
    """Return what is signed: LP("aegis-stream/v1/session") ‖ LP(dek_version) ‖ LP(SHA-256(encapsulation))."""
    return lp(b"aegis-stream/v1/session") + lp(dek_version.encode()) + lp(hashlib.sha256(encapsulation).digest())


def verify_session(public_key: bytes, dek_version: str, encapsulation: bytes, signature: bytes) -> bool:
    """Tell whether a session's signature (64 bytes) is right under an Ed25519 public key (32 bytes)."""
    if len(signature) != SIGNATURE_BYTES or int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, session_message(dek_version, encapsulation))
    except (InvalidSignature, ValueError):
        return False
    return True


class SessionSigner:
    """An enricher's signing key; shows and copies nothing of itself."""

    __slots__ = ("_key", "key_id", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        """Hold a key; use `from_seed`."""
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self.key_id = signer_id(self.public)

    @classmethod
    def from_seed(cls, seed: bytes) -> SessionSigner:
        """Load the 32 bytes of an Ed25519 private key.  Raises KeyRefusedError(LENGTH)."""
        if len(seed) != SEED_BYTES:
            raise KeyRefusedError(
                KeyReason.LENGTH, f"a session-signing key has {SEED_BYTES} bytes, this one has {len(seed)}"
            )
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def generate(cls) -> SessionSigner:
        """Make a key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    def export_seed(self) -> bytes:
        """Return the 32 bytes: for the file that keeps them, nowhere else."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        """Show the key id only."""
        return f"<SessionSigner {self.key_id}>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "private keys are never copied"
        raise TypeError(msg)

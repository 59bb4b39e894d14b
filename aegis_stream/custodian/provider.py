"""What signs for a custodian: one small protocol, whatever the algorithm."""

from __future__ import annotations

import hashlib
from typing import NamedTuple, Protocol, runtime_checkable

from aegis_stream.errors import KeyReason, KeyRefusedError

HASH_BYTES = 32
SIGNED_PREFIX = "aegis-stream:"


class SigningKeypair(NamedTuple):
    """A custodian's keypair as bytes; it unpacks as `private, public`."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        """Show the fingerprint of the public key only."""
        return f"<SigningKeypair {custodian_key_id(self.public)}>"


@runtime_checkable
class SignatureProvider(Protocol):
    """Makes keypairs, signs 32-byte message hashes and verifies signatures.

    `sign` and `verify` mean the text `aegis-stream:` and the hash in hex, so that a signature made here is never one
    over something else.
    """

    @property
    def algorithm_name(self) -> str:
        """Name the algorithm, for logs and for the records that name it."""
        ...

    def generate_keypair(self) -> SigningKeypair:
        """Make a keypair from the operating system's randomness."""
        ...

    def sign(self, private_key: bytes, message_hash: bytes) -> bytes:
        """Sign a hash of 32 bytes.  Raises KeyRefusedError: the key or the hash is not what it must be."""
        ...

    def verify(self, public_key: bytes, message_hash: bytes, signature: bytes) -> bool:
        """Tell whether the signature is right; malformed keys and signatures are wrong ones.

        Raises KeyRefusedError(LENGTH) only where the hash, which is the caller's own, has not 32 bytes.
        """
        ...


def signed_text(message_hash: bytes) -> bytes:
    """Return the text that is signed for a hash: `aegis-stream:` and its hex, 77 bytes of ASCII.

    Raises KeyRefusedError(LENGTH): the hash has not 32 bytes.
    """
    if len(message_hash) != HASH_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"a message hash has {HASH_BYTES} bytes, this one has {len(message_hash)}",
            remedy="sign the SHA-256 of the message, not the message",
        )
    return (SIGNED_PREFIX + message_hash.hex()).encode()


def custodian_key_id(public_key: bytes) -> str:
    """Return the first 16 hex digits of SHA-256 of a custodian's public key."""
    return hashlib.sha256(public_key).hexdigest()[:16]

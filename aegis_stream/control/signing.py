"""Custodians' signatures on envelopes: BIP-322 over the SHA-256 of the envelope's PAE."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aegis_stream.custodian import BIP322Provider, custodian_key_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aegis_stream.keyring.dsse import Envelope

_PROVIDER = BIP322Provider()


class CustodianSigner:
    """Signs envelopes with a custodian's private key (32 bytes); shows only the id of the public one."""

    __slots__ = ("_private", "public")

    def __init__(self, private_key: bytes) -> None:
        """Load the key.  Raises KeyRefusedError: LENGTH, INCONSISTENT."""
        self.public = _PROVIDER.public_key(private_key)
        self._private = private_key

    @property
    def key_id(self) -> str:
        """The first 16 hex digits of SHA-256 of the public key."""
        return custodian_key_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """Sign an envelope's PAE; 64 bytes."""
        return _PROVIDER.sign(self._private, hashlib.sha256(message).digest())

    def __repr__(self) -> str:
        """Show the key's id."""
        return f"<CustodianSigner {self.key_id}>"

    def __reduce__(self) -> str:
        """Refuse pickling and copying."""
        msg = "private keys are never copied"
        raise TypeError(msg)


def signers_of(envelope: Envelope, candidates: Iterable[bytes]) -> frozenset[bytes]:
    """Return those of the public keys (x-only, 32 bytes) that signed the envelope rightly.

    The keyid only says which candidate to try; a wrong one hides a signature, it never makes one count.
    """
    known = {custodian_key_id(public): public for public in candidates}
    digest = hashlib.sha256(envelope.message).digest()

    def verify(key_id: str, _message: bytes, signature: bytes) -> bool:
        return key_id in known and _PROVIDER.verify(known[key_id], digest, signature)

    return frozenset(known[key_id] for key_id in envelope.verified_by(verify))

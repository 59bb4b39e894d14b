"""Custodians' signatures on envelopes: BIP-322 over the SHA-256 of the envelope's PAE."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from aegis_stream.control.command import Command, payload_sha256
from aegis_stream.control.rejection import Rejection
from aegis_stream.custodian import BIP322Provider, custodian_key_id
from aegis_stream.keyring.dsse import Envelope, Kind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from aegis_stream.keyring.dsse import EnvelopeSigner
    from aegis_stream.keyring.entries import Role

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


def sign_command(command: Command, *signers: EnvelopeSigner) -> Envelope:
    """Write a command's payload, once, and sign it."""
    return Envelope.sign(Kind.COMMAND, command.to_payload(), signers)


def approve(command: Envelope, signer: EnvelopeSigner) -> Envelope:
    """Sign a command's very bytes as an approval.

    Raises CommandRefusedError: the payload is not one that this version understands; nobody signs what he cannot read.
    """
    Command.from_payload(command.payload)
    return Envelope.sign(Kind.APPROVAL, command.payload, [signer])


def reject(command: Envelope, signer: EnvelopeSigner, *, role: Role, reason: str, now: dt.datetime) -> Envelope:
    """Sign a refusal of a command's very bytes.  Raises CommandRefusedError(PAYLOAD)."""
    read = Command.from_payload(command.payload)
    payload = Rejection(read.id, read.deployment, role, payload_sha256(command.payload), reason, now).to_payload()
    Rejection.from_payload(payload)
    return Envelope.sign(Kind.REJECTION, payload, [signer])


def signers_of(envelope: Envelope, candidates: Iterable[bytes]) -> frozenset[bytes]:
    """Return those of the public keys (x-only, 32 bytes) that signed the envelope rightly.

    The keyid only says which candidate to try; a wrong one hides a signature, it never makes one count.
    """
    known = {custodian_key_id(public): public for public in candidates}
    digest = hashlib.sha256(envelope.message).digest()

    def verify(key_id: str, _message: bytes, signature: bytes) -> bool:
        return key_id in known and _PROVIDER.verify(known[key_id], digest, signature)

    return frozenset(known[key_id] for key_id in envelope.verified_by(verify))

"""Envelopes: a payload of a named kind and the signatures over exactly its bytes.

DSSE, version 1.  What is signed is the pre-authentication encoding (PAE)

    DSSEv1 SP len(type) SP type SP len(payload) SP payload        SP one space, lengths in bytes, decimal, ASCII

so a signature binds the kind as well, and the payload needs no canonical form.  As JSON:

    {"payload": b64, "payloadType": "application/vnd.aegis-stream.<kind>+json",
     "signatures": [{"keyid": …, "sig": b64}, …]}

An envelope is unsigned matter until `verified_by` has named the keys that signed it; a keyid is only a hint.
See docs/control-topic.md, "Envelopes".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self

import orjson

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.keyring.strict_json import Members, octets_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_ENVELOPE_BYTES = 1_048_576
MAX_SIGNATURES = 8

_KEY_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_SIGNATURE_MAX_BYTES = 8_192


class Kind(StrEnum):
    """What an envelope holds."""

    MANIFEST = "manifest"
    COMMAND = "command"
    APPROVAL = "approval"
    REJECTION = "rejection"
    RESULT = "result"
    REWRAP = "rewrap"

    @property
    def payload_type(self) -> str:
        """The text that stands in `payloadType` and is signed."""
        return f"application/vnd.aegis-stream.{self.value}+json"


class EnvelopeSigner(Protocol):
    """Something that signs an envelope's PAE: the agent's hybrid key, or a custodian's."""

    @property
    def key_id(self) -> str:
        """Name of the key: 1 to 128 of letters, digits and `._:-`."""

    def sign(self, message: bytes) -> bytes:
        """Sign the PAE."""


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that are signed."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature: the id that its writer gives for the key, and its bytes."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its signatures, not judged yet."""

    kind: Kind
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    @classmethod
    def sign(cls, kind: Kind, payload: bytes, signers: Sequence[EnvelopeSigner]) -> Self:
        """Make an envelope signed by each of the signers, in their order."""
        message = pae(kind.payload_type, payload)
        return cls(kind, payload, tuple(EnvelopeSignature(signer.key_id, signer.sign(message)) for signer in signers))

    @classmethod
    def parse(cls, raw: bytes, kind: Kind) -> Self:
        """Read the JSON form of an envelope of one kind.

        Raises ManifestRefusedError(ENVELOPE): not one strict JSON object of at most 1 MiB, another kind, an unknown or
        missing member, base64 that is not canonical, no signature, more than 8, or two under one keyid.
        """
        members = Members.parse(
            raw, record=f"{kind} envelope", max_bytes=MAX_ENVELOPE_BYTES, reason=ManifestReason.ENVELOPE
        )
        payload = members.octets("payload")
        if members.text("payloadType") != kind.payload_type:
            members.refuse("the payloadType is of another kind of record")
        signatures = members.each("signatures", _signature, what="a signature", most=MAX_SIGNATURES)
        members.done()
        if not signatures or len({signature.key_id for signature in signatures}) != len(signatures):
            members.refuse("no signature, or two under one keyid")
        return cls(kind, payload, signatures)

    @property
    def message(self) -> bytes:
        """The PAE: what each signature is over."""
        return pae(self.kind.payload_type, self.payload)

    def to_bytes(self) -> bytes:
        """Return the JSON form.  Raises ManifestRefusedError(ENVELOPE): it would be larger than readers take."""
        signatures = [{"keyid": entry.key_id, "sig": octets_text(entry.value)} for entry in self.signatures]
        raw = orjson.dumps(
            {
                "payload": octets_text(self.payload),
                "payloadType": self.kind.payload_type,
                "signatures": signatures,
            }
        )
        if len(raw) > MAX_ENVELOPE_BYTES:
            raise ManifestRefusedError(
                ManifestReason.ENVELOPE, f"{self.kind} envelope: larger than {MAX_ENVELOPE_BYTES:,} bytes"
            )
        return raw

    def verified_by(self, verify: Callable[[str, bytes, bytes], bool]) -> tuple[str, ...]:
        """Return the keyids whose signature is right.

        `verify(key_id, message, signature)` looks the key up and checks; it answers False for keys it does not know.
        """
        message = self.message
        return tuple(entry.key_id for entry in self.signatures if verify(entry.key_id, message, entry.value))


def _signature(members: Members) -> EnvelopeSignature:
    key_id, value = members.text("keyid", _KEY_ID), members.octets("sig")
    if not 0 < len(value) <= _SIGNATURE_MAX_BYTES:
        members.refuse("a signature is empty or too long")
    return EnvelopeSignature(key_id, value)

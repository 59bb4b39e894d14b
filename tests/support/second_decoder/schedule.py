"""The key schedule of a session and everything that is bound into tags."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from .frames import ALG, FIRST_BYTE, hkdf, lp, sha256


class SessionKeys(NamedTuple):
    """Field key, commitment key and set key; 32 bytes each."""

    field: bytes
    commitment: bytes
    set: bytes


def derive(shared: bytes, version: str, public: bytes, by: str) -> SessionKeys:
    """Derive a session's keys; `by` is empty in an unsigned session."""
    info = lp("aegis-stream/v1") + lp(ALG) + lp(version) + lp(sha256(public)) + lp(by)
    okm = hkdf(shared, info, 96)
    return SessionKeys(okm[:32], okm[32:64], okm[64:])


def session_message(version: str, encapsulation: bytes) -> bytes:
    """Return what an enricher signs."""
    return lp("aegis-stream/v1/session") + lp(version) + lp(sha256(encapsulation))


def binding(event: dict[str, object], identity: str, source: str) -> bytes:
    """Bind the event's identity, from the event as it is published."""
    start = lp(identity) + lp(source)
    if "event_id" not in event:
        return start + b"\x00"
    name = event["event_id"]
    return start + b"\x01" + lp(name) if isinstance(name, str) else start + b"\x02"


class Place(NamedTuple):
    """Where a value stands: reference tokens from the top, and one letter of kind a token."""

    tokens: tuple[str, ...] = ()
    kinds: str = ""

    def member(self, name: str) -> Place:
        """Return the place of a member in here."""
        return Place((*self.tokens, name), self.kinds + "m")

    def element(self, index: int) -> Place:
        """Return the place of an array's element in here."""
        return Place((*self.tokens, str(index)), self.kinds + "i")

    @property
    def pointer(self) -> str:
        """The RFC 6901 pointer; empty for the top."""
        return "".join("/" + token.replace("~", "~0").replace("/", "~1") for token in self.tokens)


def field_aad(  # noqa: PLR0913 -- the seven things that a field is bound to
    version: str, bound: bytes, at: str, place: Place, kind: int, *, first_byte: int = FIRST_BYTE
) -> bytes:
    """Build the additional data of a field."""
    return (
        lp("aegis-stream/v1/field")
        + lp(version)
        + bound
        + lp(at)
        + lp(place.pointer)
        + lp(place.kinds)
        + bytes([first_byte, kind])
    )


def commitment(key: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """Compute the keyed hash of a field."""
    return hmac.new(key, aad + plaintext, hashlib.sha256).digest()


def set_tag(key: bytes, version: str, bound: bytes, commitments: dict[str, bytes]) -> bytes:
    """Compute the tag over all commitments, which are given by pointer."""
    ordered = sorted(commitments, key=lambda pointer: pointer.encode())
    message = lp("aegis-stream/v1/set") + lp(version) + bound + len(ordered).to_bytes(4, "big")
    return hmac.new(key, message + b"".join(commitments[p] for p in ordered), hashlib.sha256).digest()

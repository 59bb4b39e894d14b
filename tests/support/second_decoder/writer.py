"""Write an encrypted event with chosen randomness.

`Draw` holds all that a real writer takes from the operating system and the clock.  `edit` lets a test spoil a field
between its making and its sealing, so that bad events carry right tags where the rule under test lies behind them.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import json_text, schedule, xwing
from .frames import ALG, FIRST_BYTE, TooLongError, b64, lp, signer_id
from .policy import DEFAULT, Policy, outermost
from .reader import DEEPEST_VALUE, JSON, STRING, RefusedError, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from .schedule import Place

_BLOCK = 16


class Draw(NamedTuple):
    """Randomness and time of one event: a nonce for each field in document order."""

    identity: bytes
    nonces: Callable[[int], bytes]
    at: str


class Session(NamedTuple):
    """One encapsulation and what is derived from it."""

    version: str
    encapsulation: bytes
    keys: schedule.SessionKeys
    by: str = ""
    sig: str = ""


class Draft(NamedTuple):
    """A field before it is sealed; `commitment` None means the right one."""

    place: Place
    kind: int
    plaintext: bytes
    nonce: bytes
    first_byte: int = FIRST_BYTE
    commitment: bytes | None = None


def open_session(public: bytes, version: str, eseed: bytes, signer: bytes | None = None) -> Session:
    """Encapsulate with the 64 bytes of `eseed`; `signer` is an Ed25519 seed of 32 bytes."""
    encapsulation, shared = xwing.encapsulate(public, eseed)
    if signer is None:
        return Session(version, encapsulation, schedule.derive(shared, version, public, ""))
    key = Ed25519PrivateKey.from_private_bytes(signer)
    by = signer_id(key.public_key().public_bytes_raw())
    sig = b64(key.sign(schedule.session_message(version, encapsulation)))
    return Session(version, encapsulation, schedule.derive(shared, version, public, by), by, sig)


def compact(value: object) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def plaintext_of(value: object) -> tuple[int, bytes]:
    """Type and plaintext of a value, the padding included."""
    if isinstance(value, str):
        return STRING, value.encode()
    text = compact(value)
    return JSON, text + b" " * (-len(text) % _BLOCK)


def accept(raw: bytes) -> dict[str, object]:
    """Judge a raw event as a writer does, but for the size of its output; raise RefusedError."""
    try:
        event = json_text.parse(raw)
    except json_text.NotJsonError:
        raise RefusedError("not-json") from None
    if not isinstance(event, dict):
        raise RefusedError("not-json")
    if json_text.depth(event) > DEEPEST_VALUE:
        raise RefusedError("too-deep")
    if json_text.bad_number(event):
        raise RefusedError("number")
    if "_aegis" in event:
        raise RefusedError("has-aegis", "/_aegis")
    return dict(event)


def write(  # noqa: PLR0913 -- the inputs of one event, all of them chosen by the caller
    event: dict[str, object],
    session: Session,
    draw: Draw,
    *,
    policy: Policy = DEFAULT,
    source: str | None = None,
    edit: Callable[[Draft], Draft] | None = None,
) -> dict[str, object]:
    """Encrypt an accepted event; the result is a new object.  Raises RefusedError (too-long)."""
    out = copy.deepcopy(event)
    drafts = []
    for index, (place, value) in enumerate(outermost(event, policy)):
        draft = Draft(place, *plaintext_of(value), draw.nonces(index))
        drafts.append(edit(draft) if edit else draft)
    published = dict(out)
    for draft in drafts:
        if draft.place.pointer == "/event_id":
            published["event_id"] = {}
    identity = draw.identity.hex()
    try:
        bound = schedule.binding(published, identity, source or "")
    except TooLongError:
        raise RefusedError("too-long", "/event_id") from None
    commitments = {}
    for draft in drafts:
        field, commitment = _seal(draft, session, bound, draw.at)
        commitments[draft.place.pointer] = commitment
        put(out, draft.place, field)
    aegis: dict[str, object] = {"v": 1, "dek": session.version, "id": identity, "kem": b64(session.encapsulation)}
    aegis["set"] = schedule.set_tag(session.keys.set, session.version, bound, commitments).hex()
    aegis |= {"src": source} if source is not None else {}
    aegis |= {"by": session.by, "sig": session.sig} if session.by else {}
    out["_aegis"] = aegis
    return out


def _seal(draft: Draft, session: Session, bound: bytes, at: str) -> tuple[dict[str, object], bytes]:
    try:
        lp(draft.place.pointer)
    except TooLongError:
        raise RefusedError("too-long", draft.place.pointer) from None
    aad = schedule.field_aad(session.version, bound, at, draft.place, draft.kind, first_byte=draft.first_byte)
    right = schedule.commitment(session.keys.commitment, aad, draft.plaintext)
    commitment = right if draft.commitment is None else draft.commitment
    sealed = AESGCM(session.keys.field).encrypt(draft.nonce, draft.plaintext, aad)
    field = {
        "_encrypted": True,
        "_algorithm": ALG,
        "_dek_version": session.version,
        "_ciphertext": b64(bytes([draft.first_byte, draft.kind]) + draft.nonce + sealed),
        "_plaintext_hash": commitment.hex(),
        "_encrypted_at": at,
    }
    return field, commitment

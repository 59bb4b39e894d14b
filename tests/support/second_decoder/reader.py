"""Read an encrypted event, refusing in the order of the format.

Keys come from a `Keys` object: for a DEK version either a `ReadingKey` or the reason why there is none.
"""

from __future__ import annotations

import copy
import hmac
from typing import TYPE_CHECKING, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import json_text, schedule, xwing
from .frames import ALG, FIRST_BYTE, TooLongError, dek_number, is_hex, is_source, is_time, unb64
from .policy import Policy, imitates_field, outermost

if TYPE_CHECKING:
    from collections.abc import Callable

    from .schedule import Place

MEMBERS = ("_encrypted", "_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at")
STRING, JSON = 0x73, 0x6A
DEEPEST_EVENT, DEEPEST_VALUE = 65, 64
_OVERHEAD = 30  # first byte, type, nonce, tag


class ReadingKey(NamedTuple):
    """What a reader knows of a DEK version; `signed` is None where there is no manifest."""

    private: bytes
    public: bytes
    policy: Policy
    signed: bool | None


class Keys(NamedTuple):
    """DEK versions, and the enrichers' Ed25519 keys: each a key or the reason why it is refused."""

    dek: Callable[[str], ReadingKey | str]
    signer: Callable[[str, str], bytes | str]


class Opened(NamedTuple):
    """An event read: its members with the values in place, and what `_aegis` says."""

    event: dict[str, object]
    dek_version: str
    source: str | None


class RefusedError(Exception):
    """The event is refused: reason of the closed list, and the path it concerns."""

    def __init__(self, reason: str, path: str = "") -> None:
        """Keep reason and path."""
        super().__init__(reason, path)
        self.reason = reason
        self.path = path


class Field(NamedTuple):
    """A field whose shape is right."""

    place: Place
    version: str
    at: str
    kind: int
    nonce: bytes
    body: bytes
    commitment: bytes


def read(raw: bytes, keys: Keys) -> Opened:
    """Read one event; raise RefusedError."""
    event = _document(raw)
    aegis = _aegis(event)
    version = str(aegis["dek"])
    key = keys.dek(version)
    if isinstance(key, str):
        raise RefusedError(key)
    fields = _fields(event, key.policy)
    _mixtures(fields, version)
    encapsulation = _bytes(aegis["kem"])
    _signature(aegis, key, keys, encapsulation)
    try:
        shared = xwing.decapsulate(key.private, encapsulation)
    except xwing.AllZeroError:
        raise RefusedError("encapsulation") from None
    session = schedule.derive(shared, version, key.public, str(aegis.get("by", "")))
    return Opened(_open(event, aegis, fields, session), version, _text_or_none(aegis.get("src")))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _bytes(text: object) -> bytes:
    data = unb64(str(text))
    if data is None:
        raise AssertionError("judged before")
    return data


def _document(raw: bytes) -> dict[str, object]:
    """Step 1."""
    try:
        value = json_text.parse(raw)
    except json_text.NotJsonError:
        raise RefusedError("not-json") from None
    if not isinstance(value, dict):
        raise RefusedError("not-json")
    if json_text.depth(value) > DEEPEST_EVENT:
        raise RefusedError("too-deep")
    if json_text.bad_number(value):
        raise RefusedError("number")
    return dict(value)


def _aegis(event: dict[str, object]) -> dict[str, object]:
    """Step 2."""
    if "_aegis" not in event:
        raise RefusedError("not-protected")
    aegis = event["_aegis"]
    if not isinstance(aegis, dict):
        raise RefusedError("malformed", "/_aegis")
    if type(aegis.get("v")) is not int or aegis["v"] != 1:
        raise RefusedError("version", "/_aegis")
    signed = {"by", "sig"} & set(aegis)
    kem, sig = aegis.get("kem"), aegis.get("sig")
    raw_kem = unb64(kem) if isinstance(kem, str) else None
    raw_sig = unb64(sig) if isinstance(sig, str) else None
    right = (
        {"v", "dek", "id", "kem", "set"} <= set(aegis) <= {"v", "dek", "id", "kem", "set", "src", "by", "sig"}
        and dek_number(aegis["dek"]) is not None
        and is_hex(aegis["id"], 16)
        and raw_kem is not None
        and len(raw_kem) == xwing.ENCAPSULATION_BYTES
        and is_hex(aegis["set"], 32)
        and ("src" not in aegis or is_source(aegis["src"]))
        and (not signed or (is_hex(aegis.get("by"), 8) and raw_sig is not None and len(raw_sig) == 64))
    )
    if not right:
        raise RefusedError("malformed", "/_aegis")
    return dict(aegis)


def _fields(event: dict[str, object], policy: Policy) -> list[Field]:
    """Step 4."""
    fields = []
    for place, value in outermost(event, policy):
        if not imitates_field(value):
            raise RefusedError("plaintext", place.pointer)
        field = _shape(place, value)
        if field is None:
            raise RefusedError("malformed", place.pointer)
        fields.append(field)
    return fields


def _shape(place: Place, value: object) -> Field | None:
    if not isinstance(value, dict) or set(value) != set(MEMBERS) or value["_encrypted"] is not True:
        return None
    algorithm, version, ciphertext, plaintext_hash, at = (value[name] for name in MEMBERS[1:])
    blob = unb64(ciphertext) if isinstance(ciphertext, str) else None
    right = (
        algorithm == ALG
        and dek_number(version) is not None
        and is_hex(plaintext_hash, 32)
        and is_time(at)
        and blob is not None
        and len(blob) >= _OVERHEAD
        and blob[0] == FIRST_BYTE
        and blob[1] in (STRING, JSON)
    )
    if not right or blob is None:
        return None
    return Field(place, version, at, blob[1], blob[2:14], blob[14:], bytes.fromhex(plaintext_hash))


def _mixtures(fields: list[Field], version: str) -> None:
    """Step 5."""
    for field in fields:
        if field.version != version or field.at != fields[0].at:
            raise RefusedError("mixed", field.place.pointer)


def _signature(aegis: dict[str, object], key: ReadingKey, keys: Keys, encapsulation: bytes) -> None:
    """Step 6."""
    if key.signed is None:
        return
    if "by" not in aegis:
        if key.signed:
            raise RefusedError("unsigned")
        return
    signer = keys.signer(str(aegis["by"]), str(aegis["dek"]))
    if isinstance(signer, str):
        raise RefusedError(signer)
    message = schedule.session_message(str(aegis["dek"]), encapsulation)
    try:
        Ed25519PublicKey.from_public_bytes(signer).verify(_bytes(aegis["sig"]), message)
    except InvalidSignature:
        raise RefusedError("signature") from None


def _open(
    event: dict[str, object], aegis: dict[str, object], fields: list[Field], session: schedule.SessionKeys
) -> dict[str, object]:
    """Go through steps 7 (what LP holds), 8 and 9, then return the event with its values."""
    version = str(aegis["dek"])
    try:
        bound = schedule.binding(event, str(aegis["id"]), str(aegis.get("src", "")))
    except TooLongError:
        raise RefusedError("too-long", "/event_id") from None
    aads = [_aad(field, version, bound) for field in fields]
    values = [_value(field, aad, session) for field, aad in zip(fields, aads, strict=True)]
    commitments = {field.place.pointer: field.commitment for field in fields}
    tag = schedule.set_tag(session.set, version, bound, commitments)
    if not hmac.compare_digest(tag, bytes.fromhex(str(aegis["set"]))):
        raise RefusedError("set")
    out = copy.deepcopy(event)
    del out["_aegis"]
    for field, value in zip(fields, values, strict=True):
        put(out, field.place, value)
    return out


def _aad(field: Field, version: str, bound: bytes) -> bytes:
    try:
        return schedule.field_aad(version, bound, field.at, field.place, field.kind)
    except TooLongError:
        raise RefusedError("too-long", field.place.pointer) from None


def _value(field: Field, aad: bytes, session: schedule.SessionKeys) -> json_text.Json:
    """Step 8 for one field."""
    path = field.place.pointer
    try:
        plaintext = AESGCM(session.field).decrypt(field.nonce, field.body, aad)
    except InvalidTag:
        raise RefusedError("tag", path) from None
    if not hmac.compare_digest(schedule.commitment(session.commitment, aad, plaintext), field.commitment):
        raise RefusedError("commitment", path)
    if field.kind == STRING:
        try:
            return plaintext.decode("utf-8")
        except UnicodeDecodeError:
            raise RefusedError("value", path) from None
    try:
        value = json_text.parse(plaintext)
    except json_text.NotJsonError:
        raise RefusedError("value", path) from None
    if isinstance(value, str) or json_text.depth(value) > DEEPEST_VALUE or json_text.bad_number(value):
        raise RefusedError("value", path)
    return value


def put(event: dict[str, object], place: Place, value: object) -> None:
    """Set the value at a place that is there."""
    node: object = event
    for token, kind in zip(place.tokens[:-1], place.kinds[:-1], strict=True):
        node = _child(node, token, kind)
    if isinstance(node, dict) and place.kinds[-1] == "m":
        node[place.tokens[-1]] = value
    elif isinstance(node, list):
        node[int(place.tokens[-1])] = value


def _child(node: object, token: str, kind: str) -> object:
    if isinstance(node, dict) and kind == "m":
        return node[token]
    if isinstance(node, list):
        return node[int(token)]
    raise AssertionError("the place comes from this event")

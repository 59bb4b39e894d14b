"""The member `_aegis` of an encrypted event.  See docs/wire-format.md, "An encrypted event"."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from aegis_stream.errors import EventUnreadableError, ReadReason
from aegis_stream.hybrid import ENCAPSULATION_BYTES
from aegis_stream.session_signer import SIGNATURE_BYTES
from aegis_stream.wire.forms import HEX16, HEX32, HEX64, is_source, usual_source
from aegis_stream.wire.primitives import b64decode_or_none
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from collections.abc import Callable

_PATH = "/_aegis"
_REQUIRED = frozenset({"v", "dek", "id", "kem", "set"})
_ALLOWED = _REQUIRED | {"src", "by", "sig"}


class Head(NamedTuple):
    """`_aegis`, its form checked.  src, by and sig are empty where absent; no other text of it can be."""

    dek: str
    id: str
    kem: str
    set: str
    src: str
    by: str
    sig: str


class KnowsSessions(Protocol):
    """Says which sessions had their texts checked before."""

    def knows(self, session: tuple[str, str, str, str]) -> bool:
        """Tell whether (dek, kem, by, sig) was derived before."""
        ...


def _is_b64_of(text: str, length: int) -> bool:
    raw = b64decode_or_none(text) if text.isascii() else None
    return raw is not None and len(raw) == length


def head_of(event: dict[str, Any], sessions: KnowsSessions) -> Head:
    """2. Judge `_aegis`.

    Raises EventUnreadableError: NOT_PROTECTED, VERSION, or MALFORMED at /_aegis.
    """
    if "_aegis" not in event:
        raise EventUnreadableError(ReadReason.NOT_PROTECTED)
    value = event["_aegis"]
    if type(value) is not dict:
        raise EventUnreadableError(ReadReason.MALFORMED, _PATH)
    if type(value.get("v")) is not int or value["v"] != 1:
        raise EventUnreadableError(ReadReason.VERSION, _PATH)
    members = value.keys()
    texts = [*map(type, value.values())].count(str)
    if not members >= _REQUIRED or not members <= _ALLOWED or texts != len(value) - 1:  # all but `v`
        raise EventUnreadableError(ReadReason.MALFORMED, _PATH)
    get: Callable[[str, str], str] = value.get
    head = Head(value["dek"], value["id"], value["kem"], value["set"], get("src", ""), get("by", ""), get("sig", ""))
    src_fits = "src" not in value or usual_source(head.src) or is_source(head.src)
    if not HEX32(head.id) or not HEX64(head.set) or not src_fits:
        raise EventUnreadableError(ReadReason.MALFORMED, _PATH)
    signed = "by" in value
    if signed != ("sig" in value) or (signed and not (head.by and head.sig)):
        raise EventUnreadableError(ReadReason.MALFORMED, _PATH)
    if not sessions.knows((head.dek, head.kem, head.by, head.sig)) and not _session_texts_fit(head):
        raise EventUnreadableError(ReadReason.MALFORMED, _PATH)
    return head


def _session_texts_fit(head: Head) -> bool:
    """Judge the form of the texts that are alike in all events of a session."""
    if not is_dek_version(head.dek) or not _is_b64_of(head.kem, ENCAPSULATION_BYTES):
        return False
    return not head.by or (bool(HEX16(head.by)) and _is_b64_of(head.sig, SIGNATURE_BYTES))


def decode(text: str) -> bytes:
    """Decode base64 whose form was checked."""
    return binascii.a2b_base64(text)

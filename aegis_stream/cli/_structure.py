"""What can be said of an encrypted event without any key."""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from aegis_stream.encryption import PIIDecryptor, ReadingKey, Unreadable
from aegis_stream.errors import KeyReason, KeyRefusedError, ReadReason
from aegis_stream.pii import Policy

if TYPE_CHECKING:
    from collections.abc import Iterator

_OVERHEAD = 30  # first byte, type, nonce (12), tag (16)
_TYPES = {0x73: "string", 0x6A: "json"}
_KINDS = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One encrypted field: where, what kind of value, how many bytes of plaintext (padding included)."""

    path: str
    kind: str
    plaintext_bytes: int
    hash_prefix: str


@dataclass(frozen=True, slots=True)
class EventShape:
    """The public side of one event; `clear` are members in the clear, by path and kind, never their values.

    fault: the first rule of shape that it breaks, as a reader would say it, with the path; empty where it breaks none.
    """

    dek_version: str = ""
    id: str = ""
    source: str = ""
    signed_by: str = ""
    session: str = ""
    encrypted_at: str = ""
    fields: tuple[FieldShape, ...] = ()
    clear: tuple[tuple[str, str], ...] = ()
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        return {**asdict(self), "clear": [{"path": path, "kind": kind} for path, kind in self.clear]}


def shape_of(raw: bytes, event: dict[str, Any] | None, *, policy: Policy | None = None) -> EventShape:
    """Describe an event given as bytes and as what a parser made of them; None where it made nothing.

    Every rule of shape is judged by the reader itself, with keys that open nothing: so this and a reader agree.
    """
    (verdict,) = PIIDecryptor(_Keyless(policy or Policy.default())).open_batch([raw])
    fault = ""
    if isinstance(verdict, Unreadable) and verdict.reason is not ReadReason.ENCAPSULATION:
        fault = f"{verdict.reason}" + (f" at {verdict.path}" if verdict.path else "")
    if event is None or fault.startswith(ReadReason.TOO_DEEP):
        return EventShape(fault=fault)
    head = event.get("_aegis")
    head = head if isinstance(head, dict) else {}
    found = list(_walk(event, ""))
    times = {str(value.get("_encrypted_at", "")) for _, value in found if _is_field(value)}
    return EventShape(
        dek_version=_text(head, "dek"),
        id=_text(head, "id"),
        source=_text(head, "src"),
        signed_by=_text(head, "by"),
        session=hashlib.sha256(_text(head, "kem").encode()).hexdigest()[:16] if _text(head, "kem") else "",
        encrypted_at=next(iter(times)) if len(times) == 1 else "",
        fields=tuple(_field(path, value) for path, value in found if _is_field(value)),
        clear=tuple((path, _KINDS.get(type(value), "")) for path, value in found if not _is_field(value)),
        fault=fault,
    )


class _Keyless:
    """Knows every version and opens none: a reader with it judges the shape and stops at the encapsulation."""

    generation = 0

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        return ReadingKey(
            version=version, decapsulate=_opens_nothing, public_key=bytes(32), policy=self._policy, signed=None
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:  # noqa: ARG002 - the protocol's form
        return ReadReason.SIGNER_UNKNOWN


def _opens_nothing(encapsulation: bytes) -> bytes:  # noqa: ARG001 - the protocol's form
    raise KeyRefusedError(KeyReason.ENCAPSULATION, "there is no key here")


def _is_field(value: object) -> bool:
    return isinstance(value, dict) and ("_encrypted" in value or "_ciphertext" in value)


def _walk(value: object, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of every encrypted field and every clear leaf, in document order."""
    if isinstance(value, dict):
        members = [(name.replace("~", "~0").replace("/", "~1"), member) for name, member in value.items()]
    elif isinstance(value, list):
        members = [(str(index), element) for index, element in enumerate(value)]
    else:
        members = []
    for step, member in members:
        if path == "" and step == "_aegis":
            continue
        if _is_field(member) or not isinstance(member, dict | list) or not member:
            yield f"{path}/{step}", member
        else:
            yield from _walk(member, f"{path}/{step}")


def _field(path: str, value: dict[str, Any]) -> FieldShape:
    blob = b""
    try:
        blob = binascii.a2b_base64(_text(value, "_ciphertext"), strict_mode=True)
    except ValueError:
        blob = b""
    kind = _TYPES.get(blob[1], "unknown") if len(blob) >= _OVERHEAD else "unknown"
    return FieldShape(path, kind, max(len(blob) - _OVERHEAD, 0), _text(value, "_plaintext_hash")[:8])


def _text(value: dict[str, Any], name: str) -> str:
    text = value.get(name, "")
    return text if isinstance(text, str) else ""

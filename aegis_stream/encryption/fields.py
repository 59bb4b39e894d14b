"""The encrypted fields of one event, as a reader judges and opens them.

`open_sound` is the short way, for an event that is sound in all respects, which is nearly every event: it looks at
each field once and answers None at the first thing that is not as it should be.  The other two then judge the event
rule by rule, in the format's order, and name the first rule it breaks.
"""

from __future__ import annotations

from binascii import a2b_base64, unhexlify
from hmac import compare_digest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag

from aegis_stream.document import any_big, container_fault, out_of_range
from aegis_stream.encryption.timestamp import is_timestamp
from aegis_stream.errors import ReadReason
from aegis_stream.pii import JSON, LAYOUT, STRING
from aegis_stream.pii.classifier import is_marked
from aegis_stream.wire import ALG, lp
from aegis_stream.wire.forms import CLEAN_ENDS
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from aegis_stream.pii import Target
    from aegis_stream.session import SessionKeys

VALUE_DEPTH = 64
"""Levels of a decrypted value, counted from itself."""

_MEMBERS = itemgetter("_encrypted", "_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at")
_MEMBER_COUNT = 6
_HEADS = frozenset({bytes((LAYOUT, STRING)), bytes((LAYOUT, JSON))})
_HEX_CHARACTERS = 64
_BLOB_MIN = 30
_NONCE_AT = 2
_BODY_AT = 14
_UNSEEN = object()
"""Equal to no text that an event can hold."""


class Refusal(Exception):  # noqa: N818 - control flow between this file and the reader, never seen outside
    """The first rule that an event breaks."""

    def __init__(self, reason: ReadReason, path: str = "") -> None:
        """Say which rule, and at which member."""
        super().__init__()
        self.reason = reason
        self.path = path


def open_sound(
    session: SessionKeys, targets: list[Target], version: str, prefix: bytes
) -> tuple[list[Any], list[bytes]] | None:
    """Return values and commitments of the fields, or None where one of them is not sound; never raises.

    prefix: the AAD up to the time.
    """
    decrypt = session.aead.decrypt
    ours = session.commitment.copy()
    values: list[Any] = []
    commitments: list[bytes] = []
    try:
        first_at = targets[0][2]["_encrypted_at"]
        if not is_timestamp(first_at):
            return None
        prefix += lp(first_at.encode())
        ours.update(prefix)
        for _, _, field, place in targets:
            flag, algorithm, dek, ciphertext, committed, at = _MEMBERS(field)
            blob = a2b_base64(ciphertext, strict_mode=True)
            end = place.string_end if blob[1] == STRING else place.json_end
            if (
                flag is not True
                or algorithm != ALG
                or dek != version
                or at != first_at
                or len(field) != _MEMBER_COUNT
                or blob[:2] not in _HEADS
                or len(ciphertext) % 4  # a2b takes padding behind a whole group
                or (ciphertext[-1] == "=" and ciphertext[-3:] not in CLEAN_ENDS)
                or not end
            ):
                return None
            text = decrypt(blob[_NONCE_AT:_BODY_AT], blob[_BODY_AT:], prefix + end)
            mac = ours.copy()
            mac.update(end + text)
            commitment = mac.finalize()
            if not compare_digest(commitment.hex(), committed):
                return None
            commitments.append(commitment)
            values.append(text.decode() if blob[1] == STRING else _json_value(text))
    except (LookupError, ValueError, TypeError, AttributeError, InvalidTag):
        return None
    return values, commitments


def open_fields(
    session: SessionKeys, targets: list[Target], parts: list[tuple[bytes, bytes]], prefix: bytes
) -> tuple[list[Any], list[bytes]]:
    """8. For each field in document order: tag, commitment, value.  prefix: the AAD as far as it is the event's."""
    for _, _, _, place in targets:
        if not place.string_end:
            raise Refusal(ReadReason.TOO_LONG, place.path)
    decrypt = session.aead.decrypt
    ours = session.commitment.copy()
    ours.update(prefix)
    values: list[Any] = []
    commitments: list[bytes] = []
    for (_, _, _, place), (blob, committed) in zip(targets, parts, strict=True):
        is_string = blob[1] == STRING
        end = place.string_end if is_string else place.json_end
        try:
            text = decrypt(blob[_NONCE_AT:_BODY_AT], blob[_BODY_AT:], prefix + end)
        except InvalidTag:
            raise Refusal(ReadReason.TAG, place.path) from None
        mac = ours.copy()
        mac.update(end + text)
        if not compare_digest(mac.finalize(), committed):
            raise Refusal(ReadReason.COMMITMENT, place.path)
        commitments.append(committed)
        try:
            values.append(text.decode() if is_string else _json_value(text))
        except ValueError:
            raise Refusal(ReadReason.VALUE, place.path) from None
    return values, commitments


class Forms(NamedTuple):
    """What the shapes gave: (blob, commitment) of each field, the common time, the path of the first mixture."""

    parts: list[tuple[bytes, bytes]]
    at: bytes
    mixed: str | None


def judge_forms(targets: list[Target], version: str) -> Forms:
    """4. Judge the shape of each field, and sensitive values in the clear.

    The three texts that are alike in all fields have their form checked where they first appear or differ.
    """
    parts: list[tuple[bytes, bytes]] = []
    first_at: object = _UNSEEN
    mixed: str | None = None
    for _, _, field, place in targets:
        try:
            flag, algorithm, dek, ciphertext, committed, at = _MEMBERS(field)
            blob, commitment = a2b_base64(ciphertext, strict_mode=True), unhexlify(committed)
            well_formed = (
                flag is True
                and algorithm == ALG
                and len(field) == _MEMBER_COUNT
                and blob[:2] in _HEADS
                and len(blob) >= _BLOB_MIN
                and len(ciphertext) % 4 == 0  # a2b takes padding behind a whole group
                and (ciphertext[-1] != "=" or ciphertext[-3:] in CLEAN_ENDS)
                and len(committed) == _HEX_CHARACTERS
                and committed == committed.lower()
            )
        except (KeyError, ValueError, TypeError, AttributeError):
            well_formed = False
        if not well_formed:
            raise Refusal(ReadReason.MALFORMED if is_marked(field) else ReadReason.PLAINTEXT, place.path)
        if dek != version or at != first_at:
            if type(dek) is not str or type(at) is not str or not is_dek_version(dek) or not is_timestamp(at):
                raise Refusal(ReadReason.MALFORMED, place.path)
            if mixed is None and (dek != version or first_at is not _UNSEEN):
                mixed = place.path
            first_at = at if first_at is _UNSEEN else first_at
        parts.append((blob, commitment))
    return Forms(parts, b"" if first_at is _UNSEEN else str(first_at).encode(), mixed)


def _json_value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value but a string
    """Return the value under type `j`.  Raises ValueError: a string, or JSON outside the rules."""
    value = orjson.loads(text)
    floats: list[float] = []
    if type(value) is str or container_fault(value, VALUE_DEPTH, floats) or (any_big(floats) and out_of_range(text)):
        msg = "not a value that a writer encrypts"
        raise ValueError(msg)
    return value

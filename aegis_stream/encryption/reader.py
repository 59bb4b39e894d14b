"""Opens protected events, strictly: an event is refused at the first rule it breaks, in the format's order.

No value is released before all of the event has passed.  The numbers in the comments are those of docs/wire-format.md,
"What a reader must refuse".
"""

from __future__ import annotations

import binascii
import hmac
import threading
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.exceptions import InvalidTag

from aegis_stream.document import any_big, container_fault, fault_of, out_of_range, parse_object
from aegis_stream.encryption.binding import FIELD, JSON, LAYOUT, SET, STRING, Suffixes, binding_of
from aegis_stream.encryption.head import Head, head_of
from aegis_stream.encryption.results import Opened, Unreadable
from aegis_stream.encryption.sessions import ReaderSessions
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.encryption.timestamp import is_timestamp
from aegis_stream.errors import EventRefusedError, EventUnreadableError, ReadReason
from aegis_stream.pii import Classifier, Policy
from aegis_stream.wire import ALG, lp
from aegis_stream.wire.forms import HEX64, has_stray_bits
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.encryption.keys import DekSource, ReadingKey
    from aegis_stream.pii import Target
    from aegis_stream.session import SessionKeys

MAX_DEPTH = 65
"""Levels of an encrypted event: a writer's 64, and one that an encrypted field may add."""
VALUE_DEPTH = 64
"""Levels of a decrypted value, counted from itself."""

_MEMBERS = itemgetter(
    "_encrypted", "_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at"
)
_MEMBER_COUNT = 6
_BLOB_MIN = 30
_NONCE_AT = 2
_BODY_AT = 14


class _Refusal(Exception):  # noqa: N818 - control flow inside this file, never seen outside
    """The first rule that an event breaks."""

    def __init__(self, reason: ReadReason, path: str = "") -> None:
        super().__init__()
        self.reason = reason
        self.path = path


class PIIDecryptor:
    """Opens events with the keys of a DekSource.

    Safe to share between threads: a batch is opened under a lock.
    """

    def __init__(self, keys: DekSource, *, require_signed: bool = False, cached_sessions: int = 1024) -> None:
        """Take keys from a source.

        require_signed: also refuse unsigned events of versions that allow them.  cached_sessions: how many sessions'
        keys are kept; an event of another one costs a decapsulation.
        """
        self._keys = keys
        self._require_signed = require_signed
        self._sessions = ReaderSessions(keys, cached_sessions)
        self._classifiers: dict[Policy, Classifier] = {}
        self._suffixes = Suffixes()
        self._lock = threading.Lock()
        # What the source said of the versions of this batch; asked anew for each batch.
        self._known: dict[str, ReadReason | tuple[ReadingKey, Classifier, bool]] = {}

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new event with its values in the clear and without `_aegis`; the one given is not changed.

        Raises EventUnreadableError.
        """
        raw: bytes | None = None
        fault = ReadReason.NOT_JSON
        try:
            raw = strict_dumps(event)
        except EventRefusedError as refused:
            fault = ReadReason(refused.reason)
        if raw is None:
            raise EventUnreadableError(fault)
        (result,) = self.open_batch([raw])
        if isinstance(result, Unreadable):
            raise EventUnreadableError(result.reason, result.path, dek_version=result.dek_version)
        return result.event

    def open_batch(self, raw: Sequence[bytes]) -> list[Opened | Unreadable]:
        """Open events given as JSON bytes, one result each, in order; never raises for what an event holds."""
        with self._lock:
            self._known.clear()
            self._sessions.follow(self._keys.generation)
            return [self._open(one) for one in raw]

    def _open(self, raw: bytes) -> Opened | Unreadable:
        # 1. The document.  A whole look for depth and numbers is left to the end of the judgement: where all else
        # is right the classifier has seen both, and where it is not `_document_fault` comes first.
        event = parse_object(raw)
        if event is None:
            return Unreadable(ReadReason(fault_of(raw, MAX_DEPTH)))
        version = ""
        try:
            head = head_of(event, self._sessions)
            version = head.dek
            return self._judge(raw, event, head)
        except _Refusal as refusal:
            reason, path = refusal.reason, refusal.path
        except EventUnreadableError as refusal:
            reason, path = ReadReason(refusal.reason), refusal.path
        if fault := _document_fault(raw, event):
            return Unreadable(fault)
        return Unreadable(reason, path, version)

    def _judge(self, raw: bytes, event: dict[str, Any], head: Head) -> Opened:
        # 3. The DEK version.
        version = head.dek
        known = self._known.get(version) or self._ask(version)
        if isinstance(known, ReadReason):
            raise _Refusal(known)
        key, classifier, id_is_public = known
        # 4. The shape of each field, and sensitive values in the clear.
        del event["_aegis"]
        targets, too_deep, big_float = classifier.survey(event, MAX_DEPTH)
        if too_deep:
            raise _Refusal(ReadReason.TOO_DEEP)
        if big_float and out_of_range(raw):
            raise _Refusal(ReadReason.NUMBER)
        fields, at, mixed = _shapes(targets, version)
        # 5. Mixtures.
        if mixed is not None:
            raise _Refusal(ReadReason.MIXED, mixed)
        # 6. The signature, and 7. the encapsulation.
        session = self._sessions.session(head, key, require_signed=self._require_signed)
        binding = binding_of(head.id, head.src, event, id_is_public=id_is_public)
        if binding is None:
            raise _Refusal(ReadReason.TOO_LONG, "/event_id")
        values, commitments = self._values(session, targets, fields, FIELD + lp(version.encode()) + binding + lp(at))
        # 9. The set tag.
        tag = session.set_tag.copy()
        ordered = b"".join([mac for _, mac in sorted(zip([t[3] for t in targets], commitments, strict=True))])
        tag.update(SET + lp(version.encode()) + binding + len(targets).to_bytes(4, "big") + ordered)
        if not hmac.compare_digest(tag.finalize().hex(), head.set):
            raise _Refusal(ReadReason.SET)
        for target, value in zip(targets, values, strict=True):
            target[0][target[1]] = value
        return Opened(event, version, head.src or None)

    def _ask(self, version: str) -> ReadReason | tuple[ReadingKey, Classifier, bool]:
        key = self._keys.reading_key(version)
        answer: ReadReason | tuple[ReadingKey, Classifier, bool]
        if isinstance(key, ReadReason):
            answer = key
        else:
            classifier = self._classifiers.get(key.policy)
            if classifier is None:
                classifier = self._classifiers[key.policy] = Classifier(key.policy)
            answer = (key, classifier, not classifier.is_sensitive_member("event_id"))
        self._known[version] = answer
        return answer

    def _values(
        self, session: SessionKeys, targets: list[Target], fields: list[tuple[bytes, str]], prefix: bytes
    ) -> tuple[list[Any], list[bytes]]:
        """8. For each field in document order: tag, commitment, value."""
        ends_of = [self._suffixes.of(target[4 - 1], target[4]) for target in targets]
        if None in ends_of:
            raise _Refusal(ReadReason.TOO_LONG, targets[ends_of.index(None)][3])
        decrypt, commit, same = session.aead.decrypt, session.commitment, hmac.compare_digest
        values: list[Any] = []
        commitments: list[bytes] = []
        for target, ends, (blob, committed) in zip(targets, ends_of, fields, strict=True):
            is_string = blob[1] == STRING
            aad = prefix + (ends[0] if is_string else ends[1])  # type: ignore[index]  # None was refused above
            try:
                text = decrypt(blob[_NONCE_AT:_BODY_AT], blob[_BODY_AT:], aad)
            except InvalidTag:
                raise _Refusal(ReadReason.TAG, target[3]) from None
            mac = commit.copy()
            mac.update(aad + text)
            commitment = mac.finalize()
            if not same(commitment.hex(), committed):
                raise _Refusal(ReadReason.COMMITMENT, target[3])
            commitments.append(commitment)
            try:
                values.append(text.decode() if is_string else _json_value(text))
            except ValueError:
                raise _Refusal(ReadReason.VALUE, target[3]) from None
        return values, commitments


def _shapes(targets: list[Target], version: str) -> tuple[list[tuple[bytes, str]], bytes, str | None]:
    """Return (blob, commitment in hex) of each field, the common time, and the path of the first mixture.

    The three texts that are alike in all fields have their form checked where they first appear.
    """
    fields: list[tuple[bytes, str]] = []
    first_at: str | None = None
    mixed: str | None = None
    for _, _, field, path, _, _ in targets:
        if type(field) is not dict or not ("_encrypted" in field or "_ciphertext" in field):
            raise _Refusal(ReadReason.PLAINTEXT, path)
        if len(field) != _MEMBER_COUNT:
            raise _Refusal(ReadReason.MALFORMED, path)
        try:
            flag, algorithm, dek, ciphertext, committed, at = _MEMBERS(field)
        except KeyError:
            raise _Refusal(ReadReason.MALFORMED, path) from None
        if (
            flag is not True
            or algorithm != ALG
            or type(ciphertext) is not str
            or type(committed) is not str
            or not HEX64(committed)
            or (blob := _blob(ciphertext)) is None
        ):
            raise _Refusal(ReadReason.MALFORMED, path)
        if dek != version:
            if type(dek) is not str or not is_dek_version(dek):
                raise _Refusal(ReadReason.MALFORMED, path)
            mixed = path if mixed is None else mixed
        if at != first_at:
            if type(at) is not str or not is_timestamp(at):
                raise _Refusal(ReadReason.MALFORMED, path)
            if first_at is None:
                first_at = at
            elif mixed is None:
                mixed = path
        fields.append((blob, committed))
    return fields, (first_at or "").encode(), mixed


def _blob(text: str) -> bytes | None:
    """Return the bytes of `_ciphertext`, or None: not canonical base64, under 30 bytes, another layout or type."""
    try:
        blob = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    if len(blob) < _BLOB_MIN or blob[0] != LAYOUT or blob[1] not in (STRING, JSON) or has_stray_bits(text):
        return None
    return blob


def _json_value(text: bytes) -> Any:  # noqa: ANN401 - any JSON value but a string
    """Return the value under type `j`.  Raises ValueError: a string, or JSON outside the rules."""
    value = orjson.loads(text)
    floats: list[float] = []
    if type(value) is str or container_fault(value, VALUE_DEPTH, floats) or (any_big(floats) and out_of_range(text)):
        msg = "not a value that a writer encrypts"
        raise ValueError(msg)
    return value


def _document_fault(raw: bytes, event: dict[str, Any]) -> ReadReason | None:
    """1. Judge depth and numbers of a whole document that parsed."""
    floats: list[float] = []
    if container_fault(event, MAX_DEPTH, floats):
        return ReadReason.TOO_DEEP
    return ReadReason.NUMBER if any_big(floats) and out_of_range(raw) else None

"""Opens protected events, strictly: an event is refused at the first rule it breaks, in the format's order.

No value is released before all of the event has passed.  The numbers in the comments are those of docs/wire-format.md,
"What a reader must refuse".
"""

from __future__ import annotations

import threading
from binascii import a2b_base64, unhexlify
from hmac import compare_digest
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag

from aegis_stream.document import any_big, container_fault, fault_of, out_of_range, parse_object
from aegis_stream.encryption.binding import FIELD, SET, binding_of
from aegis_stream.encryption.engine import Engine, native_module
from aegis_stream.encryption.head import Head, head_of
from aegis_stream.encryption.native_reader import NativeReader
from aegis_stream.encryption.results import Opened, Unreadable
from aegis_stream.encryption.sessions import ReaderSessions
from aegis_stream.encryption.shape import Shape
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.encryption.timestamp import is_timestamp
from aegis_stream.errors import EventRefusedError, EventUnreadableError, ReadReason
from aegis_stream.pii import JSON, LAYOUT, STRING, Classifier, Policy
from aegis_stream.pii.classifier import is_marked
from aegis_stream.wire import ALG, lp
from aegis_stream.wire.forms import CLEAN_ENDS
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.encryption.keys import DekSource, ReadingKey
    from aegis_stream.pii import Place, Target
    from aegis_stream.session import SessionKeys

MAX_DEPTH = 65
"""Levels of an encrypted event: a writer's 64, and one that an encrypted field may add."""
VALUE_DEPTH = 64
"""Levels of a decrypted value, counted from itself."""

_MEMBERS = itemgetter("_encrypted", "_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at")
_MEMBER_COUNT = 6
_HEADS = frozenset({bytes((LAYOUT, STRING)), bytes((LAYOUT, JSON))})
_HEX_CHARACTERS = 64
_BLOB_MIN = 30
_NONCE_AT = 2
_BODY_AT = 14
_SHAPES_MAX = 1024
_UNSEEN = object()
"""Equal to no text that an event can hold."""


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

    def __init__(
        self,
        keys: DekSource,
        *,
        require_signed: bool = False,
        cached_sessions: int = 1024,
        engine: Engine | str = Engine.AUTO,
        threads: int = 1,
    ) -> None:
        """Take keys from a source.

        require_signed: also refuse unsigned events of versions that allow them.  cached_sessions: how many sessions'
        keys are kept; an event of another one costs a decapsulation.  engine: `auto`, `python` or `native`.
        threads: over how many the native engine spreads a batch.
        Raises ConfigurationError.
        """
        module = native_module(engine)
        self._native = None if module is None else NativeReader(module, threads)
        self._keys = keys
        self._require_signed = require_signed
        self._sessions = ReaderSessions(keys, cached_sessions, self._native)
        self._classifiers: dict[Policy, Classifier] = {}
        self._shapes: dict[tuple[Place, ...], Shape] = {}
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
            return [self._open(one) for one in raw] if self._native is None else self._native.open(raw, self._open)

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
        # 4. The shape of each field, and 5. mixtures.
        del event["_aegis"]
        targets, too_deep, big_float, _ = classifier.survey(event, MAX_DEPTH)
        if too_deep:
            raise _Refusal(ReadReason.TOO_DEEP)
        if big_float and out_of_range(raw):
            raise _Refusal(ReadReason.NUMBER)
        fields = _shapes(targets, version)
        if fields.mixed is not None:
            raise _Refusal(ReadReason.MIXED, fields.mixed)
        # 6. The signature, and 7. the encapsulation and what LP cannot hold.
        session = self._sessions.session(head, key, require_signed=self._require_signed)
        binding = binding_of(head.id, head.src, event, id_is_public=id_is_public)
        if binding is None:
            raise _Refusal(ReadReason.TOO_LONG, "/event_id")
        dek = lp(version.encode())
        values, commitments = _values(session, targets, fields.parts, FIELD + dek + binding + lp(fields.at))
        # 9. The set tag.
        tag = session.set_tag.copy()
        tag.update(SET + dek + binding + self._shape(targets).count_and_join(commitments))
        if not compare_digest(tag.finalize().hex(), head.set):
            raise _Refusal(ReadReason.SET)
        for (container, name, _, _), value in zip(targets, values, strict=True):
            container[name] = value
        return Opened(event, version, head.src or None)

    def _shape(self, targets: list[Target]) -> Shape:
        places = tuple([target[3] for target in targets])
        shape = self._shapes.get(places)
        if shape is None:
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[places] = Shape(places)
        return shape

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
    session: SessionKeys, targets: list[Target], parts: list[tuple[bytes, bytes]], prefix: bytes
) -> tuple[list[Any], list[bytes]]:
    """8. For each field in document order: tag, commitment, value.  prefix: the AAD as far as it is the event's."""
    for _, _, _, place in targets:
        if not place.string_end:
            raise _Refusal(ReadReason.TOO_LONG, place.path)
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
            raise _Refusal(ReadReason.TAG, place.path) from None
        mac = ours.copy()
        mac.update(end + text)
        if not compare_digest(mac.finalize(), committed):
            raise _Refusal(ReadReason.COMMITMENT, place.path)
        commitments.append(committed)
        try:
            values.append(text.decode() if is_string else _json_value(text))
        except ValueError:
            raise _Refusal(ReadReason.VALUE, place.path) from None
    return values, commitments


class _Fields(NamedTuple):
    """What the shapes gave: (blob, commitment) of each field, the common time, the path of the first mixture."""

    parts: list[tuple[bytes, bytes]]
    at: bytes
    mixed: str | None


def _shapes(targets: list[Target], version: str) -> _Fields:
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
            raise _Refusal(ReadReason.MALFORMED if is_marked(field) else ReadReason.PLAINTEXT, place.path)
        if dek != version or at != first_at:
            if type(dek) is not str or type(at) is not str or not is_dek_version(dek) or not is_timestamp(at):
                raise _Refusal(ReadReason.MALFORMED, place.path)
            if mixed is None and (dek != version or first_at is not _UNSEEN):
                mixed = place.path
            first_at = at if first_at is _UNSEEN else first_at
        parts.append((blob, commitment))
    return _Fields(parts, b"" if first_at is _UNSEEN else str(first_at).encode(), mixed)


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

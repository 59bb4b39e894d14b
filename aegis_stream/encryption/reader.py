"""Opens protected events, strictly: an event is refused at the first rule it breaks, in the format's order.

No value is released before all of the event has passed.  The numbers in the comments are those of docs/wire-format.md,
"What a reader must refuse".
"""

from __future__ import annotations

import threading
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from aegis_stream.document import any_big, container_fault, fault_of, out_of_range, parse_object
from aegis_stream.encryption.binding import FIELD, SET, binding_of
from aegis_stream.encryption.engine import Engine, native_module
from aegis_stream.encryption.fields import Refusal, judge_forms, open_fields, open_sound
from aegis_stream.encryption.head import Head, head_of
from aegis_stream.encryption.native_reader import NativeReader
from aegis_stream.encryption.results import Opened, Unreadable
from aegis_stream.encryption.sessions import ReaderSessions
from aegis_stream.encryption.shape import Shape
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.errors import EventRefusedError, EventUnreadableError, ReadReason
from aegis_stream.pii import Classifier, Policy
from aegis_stream.wire import lp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.encryption.keys import DekSource, ReadingKey
    from aegis_stream.pii import Place, Target
    from aegis_stream.session import SessionKeys

MAX_DEPTH = 65
"""Levels of an encrypted event: a writer's 64, and one that an encrypted field may add."""
_SHAPES_MAX = 1024


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
        except Refusal as refusal:
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
            raise Refusal(known)
        key, classifier, id_is_public = known
        del event["_aegis"]
        targets, too_deep, big_float, _ = classifier.survey(event, MAX_DEPTH)
        if too_deep:
            raise Refusal(ReadReason.TOO_DEEP)
        if big_float and out_of_range(raw):
            raise Refusal(ReadReason.NUMBER)
        dek = lp(version.encode())
        session = self._sessions.at_hand(head)
        if session is not None and targets:
            binding = binding_of(head.id, head.src, event, id_is_public=id_is_public)
            sound = binding and open_sound(session, targets, version, FIELD + dek + binding)
            if binding and sound and self._is_set(session, targets, dek + binding, sound[1], head):
                return _opened(event, targets, sound[0], head)
        # 4. The form of each field, and 5. mixtures.
        forms = judge_forms(targets, version)
        if forms.mixed is not None:
            raise Refusal(ReadReason.MIXED, forms.mixed)
        # 6. The signature, and 7. the encapsulation and what LP cannot hold.
        session = self._sessions.session(head, key, require_signed=self._require_signed)
        binding = binding_of(head.id, head.src, event, id_is_public=id_is_public)
        if binding is None:
            raise Refusal(ReadReason.TOO_LONG, "/event_id")
        values, commitments = open_fields(session, targets, forms.parts, FIELD + dek + binding + lp(forms.at))
        # 9. The set tag.
        if not self._is_set(session, targets, dek + binding, commitments, head):
            raise Refusal(ReadReason.SET)
        return _opened(event, targets, values, head)

    def _is_set(
        self, session: SessionKeys, targets: list[Target], bound: bytes, commitments: list[bytes], head: Head
    ) -> bool:
        """Tell whether the set tag binds these fields.  bound: LP(DEK version) ‖ binding."""
        tag = session.set_tag.copy()
        tag.update(SET + bound + self._shape(targets).count_and_join(commitments))
        return compare_digest(tag.finalize().hex(), head.set)

    def _shape(self, targets: list[Target]) -> Shape:
        places = tuple([target[3] for target in targets])
        shape = self._shapes.get(places)
        if shape is None:
            shape = Shape(places)
            if shape.keepable:
                if len(self._shapes) >= _SHAPES_MAX:
                    self._shapes.clear()
                self._shapes[places] = shape
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


def _opened(event: dict[str, Any], targets: list[Target], values: list[Any], head: Head) -> Opened:
    for (container, name, _, _), value in zip(targets, values, strict=True):
        container[name] = value
    return Opened(event, head.dek, head.src or None)


def _document_fault(raw: bytes, event: dict[str, Any]) -> ReadReason | None:
    """1. Judge depth and numbers of a whole document that parsed."""
    floats: list[float] = []
    if container_fault(event, MAX_DEPTH, floats):
        return ReadReason.TOO_DEEP
    return ReadReason.NUMBER if any_big(floats) and out_of_range(raw) else None

"""Protects events: finds what is sensitive and replaces it by encrypted fields.

`protect_batch` is the hot path's one door: bytes in, bytes out, no I/O.  What was measured on the way to its present
form stands in docs/performance.md.
"""

from __future__ import annotations

import binascii
import datetime as dt
import os
import struct
import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING, Any, cast

import orjson

from aegis_stream.document import (
    any_big,
    container_fault,
    count_members,
    fault_of,
    has_duplicates,
    out_of_range,
    parse_object,
)
from aegis_stream.encryption.binding import FIELD, SET, binding_of
from aegis_stream.encryption.engine import Engine, engine_name, native_module
from aegis_stream.encryption.native_writer import NativeWriter
from aegis_stream.encryption.results import Protected, Rejected
from aegis_stream.encryption.stats import WriterStats
from aegis_stream.encryption.strings import sensitive_strings, strict_dumps
from aegis_stream.errors import ConfigurationError, EventRefusedError, WriteReason
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.pii import JSON, LAYOUT, STRING, Classifier, Policy
from aegis_stream.session import SessionLimits, WriterSession, boot_clock_s
from aegis_stream.wire import ALG, DekVersion, lp
from aegis_stream.wire.forms import is_source, usual_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.pii import Target
    from aegis_stream.pii.classifier import Survey
    from aegis_stream.session_signer import SessionSigner

MAX_DEPTH = 64
"""Levels of objects and arrays in an event, itself included."""

_BLOCK = 16
_NONCE_BYTES = 12
_ID_BYTES = 16
_STRING_HEAD = bytes((LAYOUT, STRING))
_JSON_HEAD = bytes((LAYOUT, JSON))
_MIDDLE = b'","_plaintext_hash":"'
_nonces = struct.Struct(f"{_NONCE_BYTES}s").iter_unpack
# An upper bound is charged: a number may be longer as orjson writes it (1E15 has 4 characters, then 18).
_PLAINTEXT_PER_BYTE = 5


class PIIEncryptor:
    """Encrypts the sensitive fields of events to one DEK version.

    Safe to share between threads: a batch is protected under a lock.  It holds a public key and the session in use,
    so whoever steals it opens nothing that was written under an earlier session.
    """

    def __init__(  # noqa: PLR0913 - all by name, and all but two have a default
        self,
        *,
        public_key: bytes,
        dek_version: str,
        policy: Policy | None = None,
        signer: SessionSigner | None = None,
        max_output_bytes: int | None = None,
        limits: SessionLimits | None = None,
        clock: Callable[[], float] = boot_clock_s,
        now: Callable[[], float] = time.time,
        engine: Engine | str = Engine.AUTO,
        threads: int = 1,
    ) -> None:
        """Check the key and the version, and compile the policy.

        public_key: the DEK's, 1,216 bytes.  max_output_bytes: an event whose encrypted form is longer is rejected.
        clock: seconds for the age of sessions.  now: seconds since 1970 for `_encrypted_at`.
        engine: `auto`, `python` or `native`.  threads: over how many the native engine spreads a batch.
        Raises KeyRefusedError, PolicyError, ConfigurationError.
        """
        self.dek_version = DekVersion.parse(dek_version).text
        self.policy = policy or Policy.default()
        self.classifier = Classifier(self.policy)
        module = native_module(engine)
        self.stats = WriterStats(self.classifier, engine_name(module))
        self._public_key = HybridPublicKey.from_bytes(public_key)
        self._id_is_public = not self.classifier.is_sensitive_member("event_id")
        self._signer = signer
        self._max_output_bytes = max_output_bytes
        self._limits = limits or SessionLimits()
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._session: WriterSession | None = None
        self._dek = lp(self.dek_version.encode())
        self._native = None if module is None else NativeWriter(module, self.classifier, max_output_bytes, threads)
        self._native_session: object = None
        self._before = (
            f'{{"_encrypted":true,"_algorithm":"{ALG}","_dek_version":"{self.dek_version}","_ciphertext":"'
        ).encode()

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return a new event with its sensitive fields encrypted; the one given is not changed.

        Raises EventRefusedError, with the reason that `protect_batch` gives.
        """
        (result,) = self.protect_batch([strict_dumps(event)])
        if isinstance(result, Rejected):
            raise EventRefusedError(result.reason, result.path)
        protected: dict[str, Any] = orjson.loads(result.value)
        return protected

    def protect_batch(
        self, raw: Sequence[bytes], *, sources: Sequence[str] | None = None, collect_sensitive: bool = False
    ) -> list[Protected | Rejected]:
        """Protect events given as JSON bytes, one result each, in order.

        sources: "topic/partition/offset" of each, which becomes the authenticated `_aegis.src`.
        collect_sensitive: also give the strings of 4 characters or more that were encrypted.
        Raises ConfigurationError where the sources do not fit; never for what an event holds.
        """
        if sources is not None and not (
            len(sources) == len(raw) and (all(map(usual_source, sources)) or all(map(is_source, sources)))
        ):
            raise ConfigurationError('each event has one source, "topic/partition/offset"')
        with self._lock:
            moment = dt.datetime.fromtimestamp(self._now(), tz=dt.UTC).replace(tzinfo=None)
            at = f"{moment.isoformat(timespec='seconds')}Z".encode()
            if self._session is None or not self._session.alive():
                self._open_session()
            if self._native is None or collect_sensitive:
                results = [
                    self._protect(one, src, at, collect=collect_sensitive)
                    for one, src in zip(raw, sources or repeat(""), strict=False)
                ]
            else:
                results = self._natively(self._native, raw, sources, at)
            self.stats.count(raw, results)
        return results

    def _natively(
        self, native: NativeWriter, raw: Sequence[bytes], sources: Sequence[str] | None, at: bytes
    ) -> list[Protected | Rejected]:
        """Let the native engine protect what it takes, and Python's the rest."""
        session = self._session or self._open_session()
        done = native.protect(self._native_session, raw, sources, at, session.left)
        session.charge(done.fields, done.plaintext_bytes)
        self.stats.add_fields(done.by_label)
        if done.left == 0:
            return cast("list[Protected | Rejected]", done.results)
        return [
            self._protect(one, src, at, collect=False) if result is None else result
            for result, one, src in zip(done.results, raw, sources or repeat(""), strict=False)
        ]

    def _open_session(self) -> WriterSession:
        session = WriterSession(
            self._public_key,
            dek_version=self.dek_version,
            signer=self._signer,
            limits=self._limits,
            clock=self._clock,
        )
        signed = f',"by":"{session.by}","sig":"{session.sig}"' if session.by else ""
        self._head = f'{{"v":1,"dek":"{self.dek_version}","kem":"{session.kem}"{signed},"id":"'.encode()
        self._session = session
        if self._native is not None:
            self._native_session = self._native.session(session.keys.okm, self.dek_version, self._head)
        self.stats.sessions += 1
        return session

    def _protect(  # noqa: PLR0911 - each refusal returns where it is found
        self, raw: bytes, src: str, at: bytes, *, collect: bool
    ) -> Protected | Rejected:
        event = parse_object(raw)
        if event is None:
            return Rejected(WriteReason(fault_of(raw, MAX_DEPTH)))
        survey = self.classifier.survey(event, MAX_DEPTH)
        targets = survey.targets
        if survey.too_deep or _any_too_deep(targets):
            return Rejected(WriteReason.TOO_DEEP)
        # The parser's result written again: where that gives the same bytes, nothing was lost or changed in between.
        if orjson.dumps(event) != raw and (reason := _spelling_fault(raw, survey)):
            return Rejected(reason)
        if "_aegis" in event:
            return Rejected(WriteReason.HAS_AEGIS, "/_aegis")
        sensitive = sensitive_strings([target[2] for target in targets]) if collect else frozenset()
        rejected = self._replace(event, targets, len(raw), src, at)
        if rejected is not None:
            return rejected
        value = orjson.dumps(event)
        if self._max_output_bytes is not None and len(value) > self._max_output_bytes:
            return Rejected(WriteReason.TOO_LARGE)
        return Protected(value, sensitive)

    def _replace(
        self, event: dict[str, Any], targets: list[Target], raw_bytes: int, src: str, at: bytes
    ) -> Rejected | None:
        """Put encrypted fields in the targets' places and add `_aegis`."""
        session = self._session_for(len(targets), _PLAINTEXT_PER_BYTE * raw_bytes + _BLOCK * len(targets))
        if session is None:
            return Rejected(WriteReason.TOO_LARGE)
        random = os.urandom(_ID_BYTES + _NONCE_BYTES * len(targets))
        identity = random[:_ID_BYTES].hex()
        binding = binding_of(identity, src, event, id_is_public=self._id_is_public)
        if binding is None:
            return Rejected(WriteReason.TOO_LONG, "/event_id")
        commitments = self._encrypt(session, targets, random, FIELD + self._dek + binding + lp(at), at)
        if commitments is None:
            return Rejected(WriteReason.TOO_LONG, next(place.path for *_, place in targets if not place.string_end))
        shape = self.stats.shape([target[3] for target in targets])
        shape.events += 1
        tag = session.keys.set_tag.copy()
        tag.update(SET + self._dek + binding + shape.count_and_join(commitments))
        source = f'","src":"{src}"}}' if src else '"}'
        event["_aegis"] = orjson.Fragment(self._head + f'{identity}","set":"{tag.finalize().hex()}{source}'.encode())
        return None

    def _session_for(self, fields: int, plaintext_bytes: int) -> WriterSession | None:
        """Return a session that the fields fit into, a new one where the present one is used up."""
        session = self._session
        if session is not None and session.charge(fields, plaintext_bytes):
            return session
        session = self._open_session()
        return session if session.charge(fields, plaintext_bytes) else None

    def _encrypt(
        self, session: WriterSession, targets: list[Target], random: bytes, prefix: bytes, at: bytes
    ) -> list[bytes] | None:
        """Replace each target's value by its encrypted field and return the commitments; None: a path is too long.

        random: 16 bytes used already, then a nonce a field.  prefix: the AAD as far as it is the event's.
        """
        encrypt = session.keys.aead.encrypt
        fragment, b2a, hexlify = orjson.Fragment, binascii.b2a_base64, binascii.hexlify
        ours = session.keys.commitment.copy()
        ours.update(prefix)
        before, after = self._before, b'","_encrypted_at":"' + at + b'"}'
        commitments: list[bytes] = []
        for (container, key, value, place), (nonce,) in zip(targets, _nonces(random[_ID_BYTES:]), strict=True):
            if type(value) is str:
                text, end, head = value.encode(), place.string_end, _STRING_HEAD
            else:
                text, end, head = _padded(value), place.json_end, _JSON_HEAD
            if not end:
                return None
            mac = ours.copy()
            mac.update(end + text)
            commitment = mac.finalize()
            commitments.append(commitment)
            ciphertext = b2a(head + nonce + encrypt(nonce, text, prefix + end), newline=False)
            container[key] = fragment(b"".join((before, ciphertext, _MIDDLE, hexlify(commitment), after)))
        return commitments


def _any_too_deep(targets: list[Target]) -> bool:
    """Tell whether a sensitive value nests deeper than its place leaves levels for."""
    for _, _, value, place in targets:
        if type(value) is not str and container_fault(value, MAX_DEPTH - len(place.kinds), []):
            return True
    return False


def _spelling_fault(raw: bytes, survey: Survey) -> WriteReason | None:
    """Judge what the parser's result does not tell: integers beyond 64 bits, and duplicate members."""
    floats: list[float] = []
    members = survey.members
    for _, _, value, place in survey.targets:
        container_fault(value, MAX_DEPTH - len(place.kinds), floats)
        members += count_members(value)
    if (survey.big_float or any_big(floats)) and out_of_range(raw):
        return WriteReason.NUMBER
    return WriteReason.DUPLICATE if has_duplicates(raw, members) else None


def _padded(value: object) -> bytes:
    """Return a value that is no string as compact JSON, with spaces up to a multiple of 16 bytes."""
    text = orjson.dumps(value)
    return text + b" " * (-len(text) % _BLOCK)

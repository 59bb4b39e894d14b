"""Protects events: finds what is sensitive and replaces it by encrypted fields.

`protect_batch` is the hot path's one door: bytes in, bytes out, no I/O.  What was measured on the way to its present
form stands in docs/performance.md.
"""

from __future__ import annotations

import binascii
import datetime as dt
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import orjson

from aegis_stream.document import any_big, container_fault, fault_of, out_of_range, parse_object
from aegis_stream.encryption.binding import FIELD, JSON, LAYOUT, SET, STRING, Suffixes, binding_of
from aegis_stream.encryption.results import Protected, Rejected
from aegis_stream.encryption.stats import WriterStats
from aegis_stream.encryption.strings import sensitive_strings, strict_dumps
from aegis_stream.errors import ConfigurationError, EventRefusedError, WriteReason
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.pii import Classifier, Policy
from aegis_stream.session import SessionLimits, WriterSession, boot_clock_s
from aegis_stream.wire import ALG, DekVersion, lp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.pii import Target
    from aegis_stream.session_signer import SessionSigner

MAX_DEPTH = 64
"""Levels of objects and arrays in an event, itself included."""

_BLOCK = 16
_NONCE_BYTES = 12
_ID_BYTES = 16
_SOURCE = re.compile(r"[A-Za-z0-9._-]{1,249}/(?:0|[1-9][0-9]{0,18})/(?:0|[1-9][0-9]{0,18})", re.ASCII)
_STRING_HEAD = bytes((LAYOUT, STRING))
_JSON_HEAD = bytes((LAYOUT, JSON))
_ORDERS_MAX = 1024


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
    ) -> None:
        """Check the key and the version, and compile the policy.

        public_key: the DEK's, 1,216 bytes.  max_output_bytes: an event whose encrypted form is longer is rejected.
        clock: seconds for the age of sessions.  now: seconds since 1970 for `_encrypted_at`.
        Raises KeyRefusedError, PolicyError.
        """
        self.dek_version = DekVersion.parse(dek_version).text
        self.policy = policy or Policy.default()
        self.classifier = Classifier(self.policy)
        self.stats = WriterStats(self.classifier)
        self._public_key = HybridPublicKey.from_bytes(public_key)
        self._id_is_public = not self.classifier.is_sensitive_member("event_id")
        self._signer = signer
        self._max_output_bytes = max_output_bytes
        self._limits = limits or SessionLimits()
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._suffixes = Suffixes()
        self._orders: dict[tuple[str, ...], list[int]] = {}
        self._labels: list[str] = []
        self._session: WriterSession | None = None
        self._dek = lp(self.dek_version.encode())
        self._open_field = (
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
        if sources is not None and not (len(sources) == len(raw) and all(map(_SOURCE.fullmatch, sources))):
            raise ConfigurationError('each event has one source, "topic/partition/offset"')
        with self._lock:
            moment = dt.datetime.fromtimestamp(self._now(), tz=dt.UTC)
            at = f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z".encode()
            if self._session is None or not self._session.alive():
                self._open_session()
            if sources is None:
                results = [self._protect(one, "", at, collect_sensitive) for one in raw]
            else:
                results = [self._protect(one, src, at, collect_sensitive) for one, src in zip(raw, sources, strict=True)]
            self.stats.count(raw, results, self._labels)
            self._labels.clear()
        return results

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
        self.stats.sessions += 1
        return session

    def _protect(self, raw: bytes, src: str, at: bytes, collect: bool) -> Protected | Rejected:  # noqa: FBT001
        event = parse_object(raw)
        if event is None:
            return Rejected(WriteReason(fault_of(raw, MAX_DEPTH)))
        targets, too_deep, big_float = self.classifier.survey(event, MAX_DEPTH)
        if too_deep:
            return Rejected(WriteReason.TOO_DEEP)
        plaintexts = _plaintexts(targets)
        if plaintexts is None:
            return Rejected(WriteReason.TOO_DEEP)
        texts, floats = plaintexts
        if (big_float or any_big(floats)) and out_of_range(raw):
            return Rejected(WriteReason.NUMBER)
        if "_aegis" in event:
            return Rejected(WriteReason.HAS_AEGIS, "/_aegis")
        return self._encrypt(event, targets, texts, src, at, collect)

    def _encrypt(  # noqa: PLR0913 - the hot path: no object is made to carry its state
        self,
        event: dict[str, Any],
        targets: list[Target],
        texts: list[tuple[bytes, bool]],
        src: str,
        at: bytes,
        collect: bool,  # noqa: FBT001
    ) -> Protected | Rejected:
        session = self._session
        size = sum([len(text) for text, _ in texts])
        if session is None or not session.charge(len(texts), size):
            session = self._open_session()
            if not session.charge(len(texts), size):
                return Rejected(WriteReason.TOO_LARGE)
        random = os.urandom(_ID_BYTES + _NONCE_BYTES * len(texts))
        identity = random[:_ID_BYTES].hex()
        binding = binding_of(identity, src, event, id_is_public=self._id_is_public)
        if binding is None:
            return Rejected(WriteReason.TOO_LONG, "/event_id")
        prefix = FIELD + self._dek + binding + lp(at)
        encrypt, commit = session.keys.aead.encrypt, session.keys.commitment
        open_field, close_field = self._open_field, b'","_encrypted_at":"' + at + b'"}'
        suffixes, fragment, b2a = self._suffixes.of, orjson.Fragment, binascii.b2a_base64
        found = sensitive_strings(targets) if collect else frozenset()
        commitments: list[bytes] = []
        drawn = _ID_BYTES
        for (container, key, _, path, kinds, _), (text, is_string) in zip(targets, texts, strict=True):
            ends = suffixes(path, kinds)
            if ends is None:
                return Rejected(WriteReason.TOO_LONG)
            nonce = random[drawn : drawn + _NONCE_BYTES]
            drawn += _NONCE_BYTES
            if is_string:
                aad, head = prefix + ends[0], _STRING_HEAD
            else:
                aad, head = prefix + ends[1], _JSON_HEAD
            mac = commit.copy()
            mac.update(aad + text)
            commitment = mac.finalize()
            commitments.append(commitment)
            container[key] = fragment(
                b"".join(
                    (
                        open_field,
                        b2a(head + nonce + encrypt(nonce, text, aad), newline=False),
                        b'","_plaintext_hash":"',
                        commitment.hex().encode(),
                        close_field,
                    )
                )
            )
        tag = session.keys.set_tag.copy()
        tag.update(
            SET + self._dek + binding + len(commitments).to_bytes(4, "big") + self._in_order(targets, commitments)
        )
        source = f'","src":"{src}"}}' if src else '"}'
        event["_aegis"] = fragment(self._head + f'{identity}","set":"{tag.finalize().hex()}{source}'.encode())
        value = orjson.dumps(event)
        if self._max_output_bytes is not None and len(value) > self._max_output_bytes:
            return Rejected(WriteReason.TOO_LARGE)
        self._labels += [target[5] for target in targets]
        return Protected(value, found)

    def _in_order(self, targets: list[Target], commitments: list[bytes]) -> bytes:
        """Join the commitments in the order of their paths' bytes (which is that of their code points)."""
        paths = tuple([target[3] for target in targets])
        order = self._orders.get(paths)
        if order is None:
            order = sorted(range(len(paths)), key=paths.__getitem__)
            if len(self._orders) >= _ORDERS_MAX:
                self._orders.clear()
            self._orders[paths] = order
        return b"".join([commitments[index] for index in order])


def _plaintexts(targets: list[Target]) -> tuple[list[tuple[bytes, bool]], list[float]] | None:
    """Return each target's plaintext and whether it is a string's, and the floats inside; None: nested too deep."""
    texts: list[tuple[bytes, bool]] = []
    floats: list[float] = []
    for target in targets:
        value = target[2]
        if type(value) is str:
            texts.append((value.encode(), True))
            continue
        if container_fault(value, MAX_DEPTH - len(target[4]), floats):
            return None
        text = orjson.dumps(value)
        texts.append((text + b" " * (-len(text) % _BLOCK), False))
    return texts, floats

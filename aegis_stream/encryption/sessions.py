"""A reader's sessions: keys derived once, signatures verified once, both kept within a bound.

A session is known by dek, kem, by and sig together; an event that differs in one of them is judged anew.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from aegis_stream.encryption.head import Head, decode
from aegis_stream.errors import EventUnreadableError, KeyRefusedError, ReadReason
from aegis_stream.session import SessionKeys
from aegis_stream.session_signer import verify_session

if TYPE_CHECKING:
    from aegis_stream.encryption.keys import DekSource, ReadingKey
    from aegis_stream.encryption.native_reader import NativeReader

SessionId = tuple[str, str, str, str]


class ReaderSessions:
    """Sessions by (dek, kem, by, sig), the least recently used forgotten first."""

    def __init__(self, keys: DekSource, capacity: int, native: NativeReader | None = None) -> None:
        """Hold at most `capacity` sessions; the native engine is told of those that were judged."""
        self._native = native
        self._keys = keys
        self._capacity = capacity
        self._derived: OrderedDict[SessionId, SessionKeys] = OrderedDict()
        self._judged: set[SessionId] = set()
        self._generation = -1
        self._last: SessionId | None = None
        self._last_keys: SessionKeys | None = None

    def follow(self, generation: int) -> None:
        """Forget which signatures were good where the keyring has changed: a signer may be revoked by now."""
        if generation != self._generation:
            self._judged.clear()
            if self._native is not None:
                self._native.forget()
            self._last = self._last_keys = None
            self._generation = generation

    def knows(self, session: SessionId) -> bool:
        """Tell whether a session's keys are there, so that its texts were checked before."""
        # Most events are of the session of the one before: comparing its texts costs less than hashing them.
        return session == self._last or session in self._derived

    def at_hand(self, head: Head) -> SessionKeys | None:
        """Return the keys where the event is of the session of the one before, which was judged; None otherwise."""
        return self._last_keys if (head.dek, head.kem, head.by, head.sig) == self._last else None

    def session(self, head: Head, key: ReadingKey, *, require_signed: bool) -> SessionKeys:
        """Return the keys of an event's session.

        Raises EventUnreadableError: UNSIGNED, SIGNER_UNKNOWN, SIGNER_REVOKED, SIGNATURE, ENCAPSULATION.
        """
        session = (head.dek, head.kem, head.by, head.sig)
        if session == self._last and self._last_keys is not None:
            return self._last_keys
        judged = session in self._judged
        if not judged:
            self._judge(head, key, require_signed=require_signed)
        derived = self._derived.get(session)
        if derived is None:
            derived = _derive(head, key)
            while len(self._derived) >= self._capacity:
                forgotten, _ = self._derived.popitem(last=False)
                self._judged.discard(forgotten)
                if self._native is not None:
                    self._native.forget()
                    self._judged.clear()
            self._derived[session] = derived
        else:
            self._derived.move_to_end(session)
        if self._native is not None and not judged:
            self._native.learn(session, derived, key.policy)
        self._judged.add(session)
        self._last, self._last_keys = session, derived
        return derived

    def _judge(self, head: Head, key: ReadingKey, *, require_signed: bool) -> None:
        """6. The signature, where a manifest says who may sign."""
        if key.signed is None and not require_signed:
            return
        if not head.by:
            if key.signed or require_signed:
                raise EventUnreadableError(ReadReason.UNSIGNED)
            return
        signer = self._keys.session_signer(head.by, head.dek)
        if isinstance(signer, ReadReason):
            raise EventUnreadableError(signer)
        if not verify_session(signer, head.dek, decode(head.kem), decode(head.sig)):
            raise EventUnreadableError(ReadReason.SIGNATURE)


def _derive(head: Head, key: ReadingKey) -> SessionKeys:
    """7. The encapsulation."""
    secret: bytes | None
    try:
        secret = key.decapsulate(decode(head.kem))
    except KeyRefusedError:
        secret = None
    if secret is None:
        raise EventUnreadableError(ReadReason.ENCAPSULATION)
    return SessionKeys.derive(secret, dek_version=head.dek, dek_public_key=key.public_key, by=head.by)

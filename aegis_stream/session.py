"""The session: one encapsulation serves many events.

A shared secret is expanded to three keys: one encrypts fields, one commits to key and plaintext, one binds the set of
fields of an event.  A writer's session has limits; a reader's is what it derived from `kem`.
See docs/wire-format.md, "The session".
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aegis_stream.session_signer import session_message
from aegis_stream.wire import ALG, b64encode, lp

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.hybrid import HybridPublicKey
    from aegis_stream.session_signer import SessionSigner

MAX_AGE_S = 3600.0
MAX_FIELDS = 2**28
MAX_PLAINTEXT_BYTES = 64 * 2**30

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boot_clock_s() -> float:
    """Return seconds of a clock that also runs while the machine sleeps (where the system has one)."""
    return time.clock_gettime(_CLOCK)


class SessionKeys:
    """The keys of one session, ready for use; it shows and copies nothing of itself.

    aead: AES-256-GCM under the field key.  commitment, set_tag: HMAC-SHA-256, keyed, to be copied.
    okm: field key ‖ commitment key ‖ set key, 96 bytes, for the native engine; it takes its own copy.
    """

    __slots__ = ("aead", "commitment", "okm", "set_tag")

    def __init__(self, okm: bytes) -> None:
        """Split 96 bytes."""
        self.okm = okm
        self.aead = AESGCM(okm[:32])
        self.commitment = HMAC(okm[32:64], SHA256())
        self.set_tag = HMAC(okm[64:96], SHA256())

    @classmethod
    def derive(cls, shared_secret: bytes, *, dek_version: str, dek_public_key: bytes, by: str) -> SessionKeys:
        """Run the key schedule; `by` is the enricher's key id in a signed session, empty otherwise."""
        info = (
            lp(b"aegis-stream/v1")
            + lp(ALG.encode())
            + lp(dek_version.encode())
            + lp(hashlib.sha256(dek_public_key).digest())
            + lp(by.encode())
        )
        return cls(HKDF(algorithm=SHA256(), length=96, salt=None, info=info).derive(shared_secret))

    def __repr__(self) -> str:
        """Show nothing."""
        return "<SessionKeys>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "session keys are never copied"
        raise TypeError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long a session may live and how much it may encrypt; the format's limits are the largest allowed."""

    max_age_s: float = MAX_AGE_S
    max_fields: int = MAX_FIELDS
    max_plaintext_bytes: int = MAX_PLAINTEXT_BYTES

    def __post_init__(self) -> None:
        """Refuse limits beyond the format's."""
        if not (
            0 < self.max_age_s <= MAX_AGE_S
            and 0 < self.max_fields <= MAX_FIELDS
            and 0 < self.max_plaintext_bytes <= MAX_PLAINTEXT_BYTES
        ):
            msg = "a session's limits are positive and not beyond the format's"
            raise ValueError(msg)


class WriterSession:
    """An open session of a writer.

    `charge` is asked before an event's fields are encrypted; where it says no, a new session is to be opened.
    A session is used in one process only: a fork would share nothing dangerous (nonces are random), yet two
    processes would count apart.
    """

    __slots__ = ("_clock", "_deadline", "_fields_left", "_pid", "_plaintext_left", "by", "kem", "keys", "sig")

    def __init__(
        self,
        public_key: HybridPublicKey,
        *,
        dek_version: str,
        signer: SessionSigner | None = None,
        limits: SessionLimits | None = None,
        clock: Callable[[], float] = boot_clock_s,
    ) -> None:
        """Encapsulate to a DEK's public key and derive the keys; sign the session where there is a signer."""
        limits = limits or SessionLimits()
        encapsulation, secret = public_key.encapsulate()
        self.by = signer.key_id if signer else ""
        self.sig = b64encode(signer.sign(session_message(dek_version, encapsulation))) if signer else ""
        self.kem = b64encode(encapsulation)
        self.keys = SessionKeys.derive(secret, dek_version=dek_version, dek_public_key=public_key.raw, by=self.by)
        self._clock = clock
        self._deadline = clock() + limits.max_age_s
        self._fields_left = limits.max_fields
        self._plaintext_left = limits.max_plaintext_bytes
        self._pid = os.getpid()

    def alive(self) -> bool:
        """Tell whether the session is young enough and in its own process."""
        return self._clock() < self._deadline and os.getpid() == self._pid

    @property
    def left(self) -> tuple[int, int]:
        """Return how many fields and bytes of plaintext may still be encrypted."""
        return self._fields_left, self._plaintext_left

    def charge(self, fields: int, plaintext_bytes: int) -> bool:
        """Count what is about to be encrypted; False, and nothing counted, where it does not fit."""
        if fields > self._fields_left or plaintext_bytes > self._plaintext_left:
            return False
        self._fields_left -= fields
        self._plaintext_left -= plaintext_bytes
        return True

    def __repr__(self) -> str:
        """Show who signed, and no key."""
        return f"<WriterSession by {self.by or 'nobody'}>"

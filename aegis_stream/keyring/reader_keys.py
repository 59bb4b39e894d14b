"""A reader's keys: what the manifest allows, opened by the KEKs the process holds.

A version is judged first (unknown, destroyed, revoked, below the minimum) and unwrapped only when an event needs it,
once, by whichever thread comes first.  A revoked version or enricher's key is opened for an audit that names it.
When the manifest's life and grace are over nothing is opened any more: a revocation that somebody withholds binds then.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Protocol

from aegis_stream.encryption.keys import ReadingKey
from aegis_stream.errors import AegisError, KEKError, KEKReason, ReadReason
from aegis_stream.keyring.entries import DekState, KeyState
from aegis_stream.wire import DekVersion
from aegis_stream.wire.versions import is_dek_version
from aegis_stream.wrapping import unwrap_dek

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from aegis_stream.hybrid import HybridPrivateKey
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.entries import DekEntry
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.keyring.view import View

_STALE_GENERATION = -1


class Kek(Protocol):
    """What is needed of a KEK provider."""

    @property
    def kek_id(self) -> str:
        """`kek-` and 16 hex digits."""

    def get_public_key(self) -> bytes:
        """Return the public key, 1,216 bytes."""

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes."""


class ReaderKeys:
    """A `DekSource` over a keyring; safe to use from several threads."""

    def __init__(
        self,
        keyring: Keyring,
        keks: Sequence[Kek],
        *,
        audit_versions: Collection[str] = (),
        audit_signers: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Hold the KEKs in the order in which they are tried.

        audit_versions, audit_signers: DEK versions and enrichers' key ids that are opened although they are revoked
        (or, for versions, below the minimum).  clock: POSIX seconds.
        """
        self._keyring = keyring
        self._keks = tuple(keks)
        self._audit_versions = frozenset(audit_versions)
        self._audit_signers = frozenset(audit_signers)
        self._clock = clock
        self._lock = threading.Lock()
        self._private: dict[tuple[str, bytes], HybridPrivateKey] = {}
        self._pruned_at = 0

    @property
    def generation(self) -> int:
        """The keyring's, and another number once it may no longer be relied on: see `DekSource`."""
        view = self._keyring.view
        return view.generation if self._clock() < view.usable_until else _STALE_GENERATION

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the key of a version, or why its events are refused.

        Raises KeyringStaleError: no manifest, or its life and grace are over.  KEKError: no KEK of this process opens
        the version, or the one that should is away (KEKUnavailableError).  KeyRefusedError: a wrap is damaged.
        """
        view = self._keyring.view
        manifest = view.require_usable(self._clock())
        entry = manifest.dek(version)
        record = view.records.get(version)
        if entry is None:
            return ReadReason.DEK_UNKNOWN
        refusal = self._refusal(entry, manifest)
        if refusal is not None:
            return refusal
        if record is None:
            return ReadReason.DEK_UNKNOWN
        private = self._unwrapped(view, record)
        return ReadingKey(
            version=version,
            decapsulate=private.decapsulate,
            public_key=record.public_key,
            policy=manifest.policy_of(entry),
            signed=entry.signed,
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        """Return the Ed25519 public key (32 bytes) that may sign sessions of a version, or why it may not.

        Raises KeyringStaleError as `reading_key`.
        """
        manifest = self._keyring.view.require_usable(self._clock())
        entry = next((signer for signer in manifest.enrichers if signer.id == key_id), None)
        if entry is None or not is_dek_version(version) or not entry.covers(DekVersion.parse(version).n):
            return ReadReason.SIGNER_UNKNOWN
        if entry.state is KeyState.REVOKED and key_id not in self._audit_signers:
            return ReadReason.SIGNER_REVOKED
        return entry.public_key

    def _refusal(self, entry: DekEntry, manifest: Manifest) -> ReadReason | None:
        audited = entry.version.text in self._audit_versions
        if entry.state is DekState.REVOKED and not audited:
            return ReadReason.DEK_REVOKED
        if entry.state is DekState.DESTROYED:
            return ReadReason.DEK_DESTROYED
        if entry.version.n < manifest.minimum_version.n and not audited:
            return ReadReason.DEK_BELOW_MINIMUM
        return None

    def _unwrapped(self, view: View, record: DekRecord) -> HybridPrivateKey:
        """Return the private key.  A rewrap changes the record and not the key, so it asks for no new unwrapping."""
        name = (record.version.text, record.public_key)
        private = self._private.get(name)
        if private is None or self._pruned_at != view.generation:
            with self._lock:  # one at a time: whoever waited finds it done
                self._prune(view)
                private = self._private.get(name)
                if private is None:
                    private = self._private[name] = self._unwrap(record)
        return private

    def _prune(self, view: View) -> None:
        """Forget the keys that a newer manifest no longer allows."""
        if view.manifest is None or self._pruned_at == view.generation:
            return
        manifest = view.manifest
        allowed = {entry.version.text for entry in manifest.deks if self._refusal(entry, manifest) is None}
        self._private = {name: key for name, key in self._private.items() if name[0] in allowed}
        self._pruned_at = view.generation

    def _unwrap(self, record: DekRecord) -> HybridPrivateKey:
        failure: AegisError | None = None
        version = record.version.text
        for kek in self._keks:
            wrapped = record.wraps.get(kek.kek_id)
            if wrapped is None:
                continue
            try:
                return unwrap_dek(wrapped, dek_version=version, dek_public_key=record.public_key, kek=kek)
            except AegisError as error:
                failure = failure or error
        if failure is not None:
            raise failure
        names = ", ".join(sorted(record.wraps)) or "no KEK"
        raise KEKError(
            KEKReason.WRONG_KEY,
            f"{version} is wrapped under {names}, and this process holds {self._held()}",
            remedy="give this process that KEK; during a rotation readers load both (AEGIS_… and AEGIS_NEXT_…)",
        )

    def _held(self) -> str:
        return ", ".join(kek.kek_id for kek in self._keks) or "no KEK"

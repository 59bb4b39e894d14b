"""What a process knows about keys: the newest manifest it could trust, and the DEK records that this one names.

The rules of `offer`, in this order; a manifest is refused, counted by reason, and the last good one stays, where
1. it is no envelope of a manifest (a tombstone is none);                                             ENVELOPE
2. no pinned agent key signed it, or only one that the manifest in force calls retired or revoked;    SIGNATURE
3. its payload is not a manifest;                                                                     PAYLOAD
4. it is of another deployment;                                                                       DEPLOYMENT
5. its sequence is not above that of the one in force, or below what was known before a restart;      SEQUENCE
6. it was issued more than 5 minutes in the future;                                                   NOT_YET_VALID
7. it has expired (but for the rotation agent, which is there to replace it);                         EXPIRED
8. it takes back what the one in force says.                                                          TRANSITION
A DEK record is used only if the manifest names the SHA-256 of its bytes.  A manifest whose records are not all there is
taken all the same, for what it revokes must bind; the versions without a record are then unknown.

Freshness: `fresh` until expires_at, `grace` for grace_s after it, then `expired`: a writer holds, a reader refuses.
No I/O and no clock in here: `now` is an argument.  See docs/control-topic.md, "Reading it".
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, NoReturn

from aegis_stream.errors import (
    ConfigurationError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.dek_record import DEK_PREFIX, DekRecord, record_sha256
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import KeyState
from aegis_stream.keyring.manifest import MANIFEST_KEY, Manifest
from aegis_stream.keyring.shelf import RecordShelf
from aegis_stream.keyring.transitions import check_transition
from aegis_stream.keyring.view import ActiveDek, Freshness, View, active_dek
from aegis_stream.signature import HybridSignature, agent_key_id, check_agent_public

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aegis_stream.keyring.state_file import KnownSequence

GRACE_S = 86_400
CLOCK_SKEW_S = 300
OTHER_PREFIXES = ("command/", "approval/", "rejection/", "rewrap/", "result/")
_CLOCK_REMEDY = "compare this machine's clock (UTC) with the rotation agent's: one of the two is off"


class Keyring:
    """The state machine; `offer` it every record of the control topic in the topic's order, from one thread."""

    def __init__(
        self,
        *,
        deployment: str,
        agent_keys: Iterable[bytes],
        grace_s: int = GRACE_S,
        known: KnownSequence | None = None,
        accept_expired: bool = False,
    ) -> None:
        """Pin the deployment and the agent's public keys (1,344 bytes each).

        grace_s: seconds that an expired manifest is kept; 0 for strict.  known: what was taken before a restart; lower
        sequences are refused.  accept_expired: for the rotation agent and for tools that only show.

        Raises ConfigurationError: no agent key; KeyRefusedError: one is not sound.
        """
        self._pinned = {agent_key_id(key): check_agent_public(key) for key in agent_keys}
        if not self._pinned:
            raise ConfigurationError(
                "no public key of the rotation agent is configured",
                remedy="set AEGIS_AGENT_PUBLIC_KEY to the line that `aegis keys init` wrote",
            )
        self._deployment = deployment
        self._grace = dt.timedelta(seconds=grace_s)
        self._accept_expired = accept_expired
        self._shelf = RecordShelf()
        self._parsed: dict[str, tuple[str, DekRecord | None]] = {}
        self._view = View(None, b"", MappingProxyType({}), None, 0, 0.0)
        self._known = known
        self.refused: Counter[ManifestReason] = Counter()
        self.last_refusal: ManifestRefusedError | None = None

    @property
    def view(self) -> View:
        """The present state, as one thing."""
        return self._view

    @property
    def manifest(self) -> Manifest | None:
        """The manifest in force, None before the first."""
        return self._view.manifest

    @property
    def generation(self) -> int:
        """A number that changes whenever what is said about keys changes; a manifest that only is fresher leaves it."""
        return self._view.generation

    def active(self) -> ActiveDek | None:
        """Return what new events are encrypted under; None without a manifest, or without the record it names."""
        return self._view.active

    def missing(self) -> tuple[str, ...]:
        """Return the versions that the manifest names and whose record has not been read."""
        view = self._view
        deks = () if view.manifest is None else view.manifest.deks
        return tuple(entry.version.text for entry in deks if entry.version.text not in view.records)

    def record_value(self, version: str) -> bytes | None:
        """Return the bytes of the record that the manifest names: what the agent restores and backs up."""
        return self._shelf.named(version)

    def freshness(self, now: dt.datetime) -> Freshness:
        """Judge the manifest's age at a moment."""
        manifest = self._view.manifest
        if manifest is None:
            return Freshness.ABSENT
        if now < manifest.expires_at:
            return Freshness.FRESH
        return Freshness.GRACE if now < manifest.expires_at + self._grace else Freshness.EXPIRED

    def require_usable(self, now: dt.datetime) -> None:
        """Raise KeyringStaleError where there is no manifest, or its life and grace are over."""
        self._view.require_usable(now.timestamp())

    def forget_history(self) -> None:
        """Once the end was reached: old manifests that stood before the good one are the topic's past, no attack."""
        if self._view.manifest is None:
            return
        for reason in (ManifestReason.EXPIRED, ManifestReason.SEQUENCE):
            del self.refused[reason]
            if self.last_refusal is not None and self.last_refusal.reason == reason:
                self.last_refusal = None

    def offer(self, key: str | None, value: bytes | None, *, now: dt.datetime) -> bool:
        """Look at one record; returns True if the view is a new one.

        Raises ManifestRefusedError, counted in `refused`; nothing has changed then.  `last_refusal` is that of the last
        manifest, until one is taken: why there is none, or no newer one.
        """
        try:
            if key == MANIFEST_KEY:
                return self._offer_manifest(value, now)
            if key is not None and key.startswith(DEK_PREFIX):
                return value is not None and self._offer_record(key.removeprefix(DEK_PREFIX), value)
            if key is None or not key.startswith(OTHER_PREFIXES):
                _refuse(ManifestReason.ENVELOPE, "a record under a key that has no place on the control topic")
        except ManifestRefusedError as refusal:
            self.refused[ManifestReason(refusal.reason)] += 1
            if key == MANIFEST_KEY:
                self.last_refusal = refusal
            raise
        return False

    def _offer_manifest(self, value: bytes | None, now: dt.datetime) -> bool:
        if value is None:
            _refuse(ManifestReason.ENVELOPE, "manifest: a tombstone")
        if value == self._view.value:
            return False  # the one in force, once more
        envelope = Envelope.parse(value, Kind.MANIFEST)
        if not envelope.verified_by(self._trusts):
            _refuse(
                ManifestReason.SIGNATURE,
                "manifest: not signed by an agent key that this process trusts",
                remedy="compare AEGIS_AGENT_PUBLIC_KEY with the agent's .pub file",
            )
        manifest = Manifest.from_payload(envelope.payload)
        self._judge(manifest, value, now)
        self._take(manifest, value)
        self.last_refusal = None
        return True

    def _trusts(self, key_id: str, message: bytes, signature: bytes) -> bool:
        public_key = self._pinned.get(key_id)
        in_force = self._view.manifest
        if public_key is None or (
            in_force is not None and in_force.agent_state(key_id) not in {None, KeyState.CURRENT}
        ):
            return False
        return HybridSignature.verify(public_key, message, signature)

    def _judge(self, manifest: Manifest, value: bytes, now: dt.datetime) -> None:
        """Apply rules 4 to 8."""
        held = self._view.manifest
        if manifest.deployment != self._deployment:
            _refuse(
                ManifestReason.DEPLOYMENT,
                "manifest: of another deployment",
                remedy="compare AEGIS_DEPLOYMENT and the control topic with what `aegis keys init` was given",
            )
        if held is not None and manifest.sequence <= held.sequence:
            _refuse(ManifestReason.SEQUENCE, f"manifest: sequence {manifest.sequence} is not above {held.sequence}")
        known = self._known
        if known is not None and (
            manifest.sequence < known.sequence
            or (manifest.sequence == known.sequence and record_sha256(value) != known.sha256)
        ):
            _refuse(
                ManifestReason.SEQUENCE,
                f"manifest: sequence {manifest.sequence}, but {known.sequence} was taken before this start",
                remedy="an old control topic, or one put back from a backup: find out which; if it was made anew on "
                "purpose, remove this process's state file in AEGIS_STATE_DIR",
            )
        ahead_s = (manifest.issued_at - now).total_seconds()
        if ahead_s > CLOCK_SKEW_S:
            _refuse(
                ManifestReason.NOT_YET_VALID,
                f"manifest: issued {ahead_s:.0f} s in the future of this machine's clock",
                remedy=_CLOCK_REMEDY,
            )
        past_s = (now - manifest.expires_at).total_seconds()
        if past_s >= 0 and not self._accept_expired:
            _refuse(
                ManifestReason.EXPIRED,
                f"manifest: expired {past_s:.0f} s ago by this machine's clock",
                remedy=f"see that the rotation agent runs (`aegis run rotator`); {_CLOCK_REMEDY}",
            )
        if held is not None:
            check_transition(held, manifest)

    def _offer_record(self, version: str, value: bytes) -> bool:
        manifest = self._view.manifest
        if not self._shelf.put(version, value) or manifest is None:
            return False
        self._take(manifest, self._view.value)
        return True

    def _take(self, manifest: Manifest, value: bytes) -> None:
        """Make the view of a manifest with the records that are there."""
        self._shelf.name({entry.version.text: entry.record_sha256 for entry in manifest.deks})
        records: dict[str, DekRecord] = {}
        for entry in manifest.deks:
            record = self._record(entry.version.text, entry.record_sha256)
            if record is not None:
                records[entry.version.text] = record
        old = self._view
        same = (
            old.manifest is not None
            and old.manifest.substance() == manifest.substance()
            and old.records.keys() == records.keys()
        )
        self._view = View(
            manifest=manifest,
            value=value,
            records=MappingProxyType(records),
            active=old.active if same else active_dek(manifest, records),
            generation=old.generation if same else old.generation + 1,
            usable_until=(manifest.expires_at + self._grace).timestamp(),
        )

    def _record(self, version: str, sha256: str) -> DekRecord | None:
        """Return the record that is named, parsed once."""
        kept = self._parsed.get(version)
        if kept is not None and kept[0] == sha256:
            return kept[1]
        value = self._shelf.named(version)
        if value is None:
            return None
        record: DekRecord | None = None
        try:
            record = DekRecord.from_bytes(value)
        except ManifestRefusedError as refusal:
            self.refused[ManifestReason(refusal.reason)] += 1
        if record is not None and record.version.text != version:
            record = None
        self._parsed[version] = (sha256, record)
        return record


def _refuse(reason: ManifestReason, message: str, *, remedy: str = "") -> NoReturn:
    raise ManifestRefusedError(reason, message, remedy=remedy)

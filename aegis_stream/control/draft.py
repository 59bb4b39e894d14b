"""A manifest on its way to the next one: what the effects of commands work on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NoReturn

from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import MAX_DEK_NUMBER, DekEntry, DekState, KeyState
from aegis_stream.keyring.manifest import MAX_DEKS
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.pii import Policy


@dataclass(frozen=True, slots=True)
class Terms:
    """Times of a deployment that effects and results depend on.

    `veto`: how long a replacement without the old key waits.  `follower_grace`: how long a follower keeps an expired
    manifest.  `brokers_clear`: after how long brokers no longer hold an overwritten record, None where nobody can
    say; by default as `aegis topics create` sets the topic up.
    """

    veto: dt.timedelta = dt.timedelta(hours=72)
    follower_grace: dt.timedelta = dt.timedelta(hours=24)
    brokers_clear: dt.timedelta | None = dt.timedelta(hours=2, minutes=10)


@dataclass(slots=True)
class Draft:
    """The manifest as changed so far, the DEK records, those of them that changed, and what the result must name."""

    before: Manifest
    manifest: Manifest
    records: Mapping[str, DekRecord]
    now: dt.datetime
    terms: Terms
    changed: dict[str, DekRecord] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    binds_by: dt.datetime | None = None
    brokers_clear_at: dt.datetime | None = None
    keks: tuple[str, ...] | None = None
    copies_attested: bool | None = None

    @classmethod
    def of(cls, manifest: Manifest, records: Mapping[str, DekRecord], *, now: dt.datetime, terms: Terms) -> Draft:
        """Begin with a manifest in force and the records that it names."""
        return cls(manifest, manifest, records, now.astimezone(dt.UTC).replace(microsecond=0), terms)

    @property
    def rotated_to(self) -> DekVersion | None:
        """The new active version, None where it is still the old one."""
        active = self.manifest.active.version
        return None if active == self.before.active.version else active

    def record(self, version: DekVersion, *, otherwise: CommandReason) -> DekRecord:
        """Return the record of a version as it is now; refuse if it has not been read."""
        record = self.changed.get(version.text) or self.records.get(version.text)
        if record is None:
            refuse(otherwise, f"the record of {version} has not been read from the control topic")
        return record

    def put_records(self, records: Iterable[DekRecord]) -> None:
        """Change records, and the hashes by which the manifest names them."""
        self.changed |= {record.version.text: record for record in records}
        deks = tuple(
            replace(entry, record_sha256=self.changed[entry.version.text].sha256)
            if entry.version.text in self.changed
            else entry
            for entry in self.manifest.deks
        )
        self.manifest = replace(self.manifest, deks=deks)

    def dek(self, version: DekVersion) -> DekEntry:
        """Return the entry of a version; refuse if there is none."""
        entry = self.manifest.dek(version.text)
        if entry is None:
            reason = CommandReason.UNKNOWN_DEK
            if version.n > self.manifest.active.version.n:
                reason = CommandReason.ABOVE_ACTIVE
            refuse(reason, f"the manifest has no DEK {version}")
        return entry

    def move(self, versions: Collection[DekVersion], state: DekState) -> None:
        """Change the state of DEKs."""
        deks = tuple(
            replace(entry, state=state) if entry.version in versions else entry for entry in self.manifest.deks
        )
        self.manifest = replace(self.manifest, deks=deks)

    def rotate(self, policy: Policy | None = None) -> None:
        """Make a new active DEK under every KEK in force; the old one becomes decrypt-only.

        Its sessions must be signed where those of the old one must, or where an enricher's key is current by now.
        """
        manifest = self.manifest
        old = manifest.active
        if old.version.n >= MAX_DEK_NUMBER or len(manifest.deks) >= MAX_DEKS:
            refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_DEKS:,} DEKs")
        version = DekVersion.of(old.version.n + 1, self.now.date())
        record = DekRecord.generate(version, [kek.public_key for kek in manifest.keks])
        entry = DekEntry(
            version=version,
            state=DekState.ACTIVE,
            created_at=self.now,
            policy=old.policy if policy is None else policy.id,
            signed=old.signed or any(key.state is KeyState.CURRENT for key in manifest.enrichers),
            record_sha256=record.sha256,
        )
        policies = manifest.policies
        if policy is not None and policy not in policies:
            policies = (*policies, policy)
        deks = (*manifest.deks[:-1], replace(old, state=DekState.DECRYPT_ONLY), entry)
        self.changed[version.text] = record
        self.manifest = replace(manifest, deks=deks, policies=policies)

    def revokes(self) -> None:
        """Note by when every follower obeys: at the latest when the manifest it replaces is past life and grace."""
        self.binds_by = self.before.expires_at + self.terms.follower_grace

    def overwrites(self) -> None:
        """Note by when brokers no longer hold the records that change, or that nobody can say."""
        if self.terms.brokers_clear is None:
            self.notes.append(
                "until when brokers hold the old record cannot be told: the control topic's max.compaction.lag.ms is "
                "not bounded, or hidden from the agent"
            )
        else:
            self.brokers_clear_at = self.now + self.terms.brokers_clear


def refuse(reason: CommandReason, message: str, *, remedy: str = "") -> NoReturn:
    """Raise CommandRefusedError."""
    raise CommandRefusedError(reason, message, remedy=remedy)

"""Making manifests: the pure half of the rotation agent.

A `Change` is one transaction on the control topic: new DEK records first, last the manifest that names them.  Whoever
changes what the keyring says (a rotation, a command) makes the new manifest's substance and hands it to `change`; what
only grows old goes to `fresh`.  Sequence, times and signature are given here and nowhere else.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord, record_sha256
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import AgentEntry, DekEntry, DekState, KekEntry, KekState, KeyState
from aegis_stream.keyring.manifest import MANIFEST_KEY, Manifest
from aegis_stream.keyring.state_file import KnownSequence
from aegis_stream.keyring.transitions import check_transition
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.keyring.entries import CustodianEntry, SignerEntry
    from aegis_stream.pii import Policy
    from aegis_stream.signature import AgentSigner

LIFE_S = 3_600


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction: (key, value) of every record in the order of writing, the manifest last."""

    manifest: Manifest
    writes: tuple[tuple[str, bytes], ...]

    @property
    def known(self) -> KnownSequence:
        """The manifest by sequence and SHA-256, as state files keep it."""
        return KnownSequence(self.manifest.sequence, record_sha256(self.writes[-1][1]))


class ManifestMaker:
    """Stamps and signs manifests with the agent's key."""

    def __init__(self, signer: AgentSigner, *, life_s: int = LIFE_S) -> None:
        """`life_s`: seconds from a manifest's issue to its expiry."""
        self._signer = signer
        self._life = dt.timedelta(seconds=life_s)

    def first(  # noqa: PLR0913 - what a deployment begins with, all by keyword
        self,
        *,
        deployment: str,
        kek_public_key: bytes,
        policy: Policy,
        enrichers: Sequence[SignerEntry],
        custodians: Sequence[CustodianEntry] = (),
        recovery_key: bytes | None = None,
        now: dt.datetime,
    ) -> Change:
        """Make DEK 1 and the manifest of sequence 1; sessions must be signed where there is an enricher's key.

        Raises KeyRefusedError: the KEK's public key is refused; ManifestRefusedError: what was given makes no manifest.
        """
        now = now.astimezone(dt.UTC).replace(microsecond=0)
        record = DekRecord.generate(DekVersion.of(1, now.date()), [kek_public_key])
        entry = DekEntry(
            version=record.version,
            state=DekState.ACTIVE,
            created_at=now,
            policy=policy.id,
            signed=bool(enrichers),
            record_sha256=record.sha256,
        )
        manifest = Manifest(
            deployment=deployment,
            sequence=1,
            issued_at=now,
            expires_at=now + self._life,
            minimum_version=record.version,
            deks=(entry,),
            policies=(policy,),
            keks=(KekEntry(kek_public_key, KekState.CURRENT),),
            agents=(AgentEntry(self._signer.public, KeyState.CURRENT),),
            custodians=tuple(custodians),
            enrichers=tuple(enrichers),
            recovery_key=recovery_key,
        )
        return self._signed(manifest, [record])

    def fresh(self, current: Manifest, *, now: dt.datetime, above: int = 0) -> Change:
        """Say the same again, later; command ids that have expired meanwhile are forgotten.

        `above`: a sequence that was or may have been used already; the new one is higher.
        """
        return self.change(current, current, (), now=now, above=above)

    def change(
        self, current: Manifest, wanted: Manifest, records: Sequence[DekRecord], *, now: dt.datetime, above: int = 0
    ) -> Change:
        """Make the manifest that follows `current` and says what `wanted` says, whatever its sequence and times.

        `records` are the DEK records that change with it.

        Raises ManifestRefusedError: TRANSITION, something would go back; HASH, a record is not the one that is named.
        """
        now = now.astimezone(dt.UTC).replace(microsecond=0)
        manifest = replace(
            wanted,
            sequence=max(current.sequence, above) + 1,
            issued_at=now,
            expires_at=now + self._life,
            executed=tuple(entry for entry in wanted.executed if entry.expires_at > now),
        )
        check_transition(current, manifest)
        return self._signed(manifest, records)

    def _signed(self, manifest: Manifest, records: Sequence[DekRecord]) -> Change:
        writes = [(record.key, record.to_bytes()) for record in records]
        for record, (_, value) in zip(records, writes, strict=True):
            entry = manifest.dek(record.version.text)
            if entry is None or entry.record_sha256 != record_sha256(value):
                raise ManifestRefusedError(ManifestReason.HASH, f"the manifest does not name the record {record.key}")
        envelope = Envelope.sign(Kind.MANIFEST, manifest.to_payload(), [self._signer])
        return Change(manifest, (*writes, (MANIFEST_KEY, envelope.to_bytes())))

"""A small deployment for tests: its keys, its first manifest, and whatever may follow it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.hybrid import HybridKEM, HybridKeypair, HybridPrivateKey
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekEntry, DekState, KeyState, SignerEntry
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.maker import Change, ManifestMaker
from aegis_stream.pii import Policy
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import DekVersion, kek_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aegis_stream.keyring.manifest import Manifest

NOW = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

AGENT = AgentSigner.from_seed(bytes(range(64)))
OTHER_AGENT = AgentSigner.from_seed(bytes(range(64, 128)))
ENRICHER = SessionSigner.from_seed(bytes(range(32)))
OTHER_ENRICHER = SessionSigner.from_seed(bytes(range(32, 64)))
KEK_PAIR = HybridKEM.generate_keypair()
OTHER_KEK_PAIR = HybridKEM.generate_keypair()


class PlainKek:
    """A KEK held as bytes; counts how often it is asked."""

    name = "plain"

    def __init__(self, pair: HybridKeypair = KEK_PAIR) -> None:
        """Hold a keypair."""
        self._private = HybridPrivateKey.from_bytes(pair.private)
        self.kek_id = kek_id(pair.public)
        self.asked = 0

    def get_public_key(self) -> bytes:
        """Return 1,216 bytes."""
        return self._private.public

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret."""
        self.asked += 1
        return self._private.decapsulate(encapsulation)


@dataclass
class Deployment:
    """Makes the records an agent would write; `manifest` and `records` are what is in force."""

    name: str = "test"
    signer: AgentSigner = AGENT
    started: dt.datetime = NOW
    maker: ManifestMaker = field(init=False)
    first: Change = field(init=False)
    manifest: Manifest = field(init=False)
    records: dict[str, DekRecord] = field(init=False)

    def __post_init__(self) -> None:
        """Make the first manifest and its DEK."""
        self.maker = ManifestMaker(self.signer)
        self.first = self.maker.first(
            deployment=self.name,
            kek_public_key=KEK_PAIR.public,
            policy=Policy.default(),
            enrichers=[SignerEntry(ENRICHER.public, KeyState.CURRENT, 1)],
            now=self.started,
        )
        self.manifest = self.first.manifest
        self.records = {self.active: DekRecord.from_bytes(self.first.writes[0][1])}

    @property
    def active(self) -> str:
        """The active version."""
        return self.manifest.active.version.text

    def keyring(self, *, pinned: Iterable[AgentSigner] = (), **options: Any) -> Keyring:  # noqa: ANN401 - any option of Keyring
        """Return a follower's keyring that has seen nothing yet."""
        keys = [signer.public for signer in pinned or [self.signer]]
        return Keyring(deployment=self.name, agent_keys=keys, **options)

    def following(self, **options: Any) -> Keyring:  # noqa: ANN401 - any option of Keyring
        """Return a keyring that has read the first manifest."""
        keyring = self.keyring(**options)
        offer(keyring, self.first, now=self.started)
        return keyring

    def fresh(self, now: dt.datetime) -> Change:
        """Sign the present state again."""
        return self._taken(self.maker.fresh(self.manifest, now=now))

    def rotate(self, now: dt.datetime, *, policy: Policy | None = None, signed: bool = True) -> Change:
        """Make the next DEK active."""
        old = self.manifest.active
        record = DekRecord.generate(DekVersion.of(old.version.n + 1, now.date()), [KEK_PAIR.public])
        policies = self.manifest.policies if policy is None else (*self.manifest.policies, policy)
        entry = DekEntry(
            record.version,
            DekState.ACTIVE,
            now.replace(microsecond=0),
            old.policy if policy is None else policy.id,
            signed,
            record.sha256,
        )
        older = (*self.manifest.deks[:-1], replace(old, state=DekState.DECRYPT_ONLY))
        wanted = replace(self.manifest, deks=(*older, entry), policies=policies)
        self.records[record.version.text] = record
        return self._taken(self.maker.change(self.manifest, wanted, [record], now=now))

    def set_state(self, version: str, state: DekState, now: dt.datetime) -> Change:
        """Move one DEK along its life; a destroyed one loses its wraps."""
        records = []
        deks = []
        for entry in self.manifest.deks:
            changed = entry
            if entry.version.text == version:
                changed = replace(entry, state=state)
                if state is DekState.DESTROYED:
                    record = replace(self.records[version], wraps={})
                    self.records[version] = record
                    records.append(record)
                    changed = replace(changed, record_sha256=record.sha256)
            deks.append(changed)
        wanted = replace(self.manifest, deks=tuple(deks))
        return self._taken(self.maker.change(self.manifest, wanted, records, now=now))

    def amend(self, now: dt.datetime, **members: object) -> Change:
        """Change members of the manifest."""
        wanted = replace(self.manifest, **members)  # type: ignore[arg-type]  # any of its members
        return self._taken(self.maker.change(self.manifest, wanted, (), now=now))

    def sign(self, manifest: Manifest, signer: AgentSigner | None = None) -> bytes:
        """Sign any manifest, also one that the maker would refuse to make."""
        return Envelope.sign(Kind.MANIFEST, manifest.to_payload(), [signer or self.signer]).to_bytes()

    def _taken(self, change: Change) -> Change:
        self.manifest = change.manifest
        return change


def offer(keyring: Keyring, change: Change, *, now: dt.datetime | None = None) -> None:
    """Let a keyring read one transaction."""
    for key, value in change.writes:
        keyring.offer(key, value, now=now or change.manifest.issued_at)


def refused_manifest(keyring: Keyring, value: bytes | None, *, now: dt.datetime = NOW) -> ManifestReason:
    """Offer a manifest that must be refused; nothing may have changed but the counter."""
    before, counted = keyring.view, keyring.refused.total()
    with pytest.raises(ManifestRefusedError) as refusal:
        keyring.offer("manifest", value, now=now)
    reason = ManifestReason(refusal.value.reason)
    assert keyring.view is before
    assert keyring.refused.total() == counted + 1
    assert keyring.last_refusal is refusal.value
    return reason

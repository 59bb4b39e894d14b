"""A small deployment for tests of commands: keys of everybody, a manifest, and short ways to sign."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from aegis_stream.control.arguments import RotateDek
from aegis_stream.control.cases import Case
from aegis_stream.control.command import Arguments, Command
from aegis_stream.control.decision import Decision, decide
from aegis_stream.control.draft import Terms
from aegis_stream.control.signing import CustodianSigner, approve, sign_command
from aegis_stream.control.topic_keys import Slot
from aegis_stream.custodian import BIP322Provider
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import CustodianEntry, KeyState, Role, SignerEntry
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.keyring.manifest import Manifest
from aegis_stream.pii import Policy
from aegis_stream.signature import AgentSigner

if TYPE_CHECKING:
    from aegis_stream.wire import DekVersion

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DEPLOYMENT = "tests"
AGENT = AgentSigner.from_seed(bytes(range(64)))
AGENTS = (AGENT, *(AgentSigner.from_seed(bytes([number]) * 64) for number in (101, 102)))
"""The rotation agent's first key, and those that may replace it."""
MAKER = ManifestMaker(AGENT)


@cache
def custodian(name: str) -> CustodianSigner:
    """Return the signer of a person, made once."""
    assert name
    return CustodianSigner(BIP322Provider().generate_keypair().private)


@cache
def _kek(number: int) -> HybridKeypair:
    assert number
    return HybridKEM.generate_keypair()


def kek(number: int) -> bytes:
    """Return the public key of one of several KEKs, made once."""
    return _kek(number).public


def kek_private(number: int) -> bytes:
    """Return its private key."""
    return _kek(number).private


def kek_pair(number: int) -> HybridKeypair:
    """Return both."""
    return _kek(number)


def enricher(number: int) -> bytes:
    """Return an Ed25519 public key that may be enrolled."""
    return AgentSigner.from_seed(bytes([number]) * 64).public[:32]


RISK, SECURITY, RECOVERY = custodian("risk"), custodian("security"), custodian("recovery")


@dataclass
class World:
    """The manifest in force, its DEK records, and the clock; `published` is all that the agent ever wrote of these."""

    manifest: Manifest
    records: dict[str, DekRecord]
    now: dt.datetime = NOW
    terms: Terms = field(default_factory=Terms)
    published: list[tuple[str, bytes]] = field(default_factory=list)

    @classmethod
    def new(cls, *, recovery: bool = False, rotations: int = 0) -> World:
        """Make a deployment with both custodians, one enricher, and one DEK more than rotations."""
        change = MAKER.first(
            deployment=DEPLOYMENT,
            kek_public_key=kek(1),
            policy=Policy.default(),
            enrichers=[SignerEntry(enricher(1), KeyState.CURRENT, 1)],
            custodians=[
                CustodianEntry(Role.RISK_LEAD, RISK.public, KeyState.CURRENT, NOW - HOUR),
                CustodianEntry(Role.SECURITY_LEAD, SECURITY.public, KeyState.CURRENT, NOW - HOUR),
            ],
            recovery_key=RECOVERY.public if recovery else None,
            now=NOW - HOUR,
        )
        record = DekRecord.from_bytes(change.writes[0][1])
        world = cls(change.manifest, {record.version.text: record}, published=list(change.writes))
        for _ in range(rotations):
            world.run(RotateDek(), RISK)
        return world

    @property
    def agent(self) -> AgentSigner:
        """The key that the manifest in force calls the agent's current one, as far as the tests have it."""
        current = (key for key in AGENTS if self.manifest.agent_state(key.key_id) is KeyState.CURRENT)
        return next(current, AGENT)

    def command(self, arguments: Arguments, **changes: object) -> Command:
        """Make a command of this moment; `changes` are members that differ."""
        command = Command.new(arguments, deployment=DEPLOYMENT, reason="a test", now=self.now)
        return replace(command, **changes)  # type: ignore[arg-type]

    def case(self, command: Command, first: CustodianSigner, **approvals: CustodianSigner) -> Case:
        """Sign a command, and approve it under the slots named (`security_lead=…`)."""
        envelope = sign_command(command, first)
        slots = {Slot(name.replace("_", "-")): approve(envelope, signer) for name, signer in approvals.items()}
        return Case(command.id, envelope, slots)

    def decide(self, case: Case) -> Decision | None:
        """Ask what is to be done, and change nothing."""
        return decide(case, manifest=self.manifest, records=self.records, now=self.now, terms=self.terms)

    def carry_out(self, case: Case) -> Decision | None:
        """Do what is to be done, through the agent's maker, which checks every transition."""
        decision = self.decide(case)
        if decision is not None and decision.wanted is not None:
            self.take(decision.wanted, decision.records)
        return decision

    def take(self, wanted: Manifest, records: tuple[DekRecord, ...] = ()) -> None:
        """Make and read again the next manifest, as followers would."""
        change = ManifestMaker(self.agent).change(self.manifest, wanted, records, now=self.now)
        self.published += change.writes
        envelope = change.writes[-1][1]
        self.manifest = Manifest.from_payload(Envelope.parse(envelope, Kind.MANIFEST).payload)
        self.records |= {record.version.text: record for record in records}

    def run(self, arguments: Arguments, first: CustodianSigner = RISK, **approvals: CustodianSigner) -> Decision:
        """Issue, sign and carry out a command; it must come to a decision."""
        decision = self.carry_out(self.case(self.command(arguments), first, **approvals))
        assert decision is not None
        return decision

    def run_both(self, arguments: Arguments) -> Decision:
        """Carry out a command that both custodians sign."""
        return self.run(arguments, RISK, security_lead=SECURITY)

    def version(self, n: int) -> DekVersion:
        """Return the version of a DEK by its n."""
        return next(entry.version for entry in self.manifest.deks if entry.version.n == n)

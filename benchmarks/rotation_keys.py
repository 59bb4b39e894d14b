"""Everybody's keys in a deployment that rotates, and what its operators sign."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from aegis_stream.control import Command, CustodianSigner, Slot, TopicKey, approve, sign_command
from aegis_stream.control.arguments import RotateDek, RotateKek
from aegis_stream.control.command import payload_sha256
from aegis_stream.control.custody_arguments import EmergencyRotate, Replacement
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.custodian import BIP322Provider
from aegis_stream.hybrid import HybridKEM
from aegis_stream.kek import InMemoryKEKProvider
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import CustodianEntry, KeyState, Role, SignerEntry
from aegis_stream.keyring.maker import Change, ManifestMaker
from aegis_stream.pii import Policy
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner
from aegis_stream.wrapping import unwrap_dek, wrap_dek

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.control.command import Arguments
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest

Records = list[tuple[str, bytes]]

DEPLOYMENT = "rotating"
LIFE_S = 86_400


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _custodian() -> CustodianSigner:
    return CustodianSigner(BIP322Provider().generate_keypair().private)


def _kek() -> InMemoryKEKProvider:
    return InMemoryKEKProvider(keypair=HybridKEM.generate_keypair(), environ={})


@dataclass
class Keys:
    """Made anew for each run; `risk_lead` changes in an emergency."""

    agent: AgentSigner = field(default_factory=lambda: AgentSigner.from_seed(os.urandom(64)))
    sessions: tuple[SessionSigner, ...] = field(
        default_factory=lambda: (SessionSigner.generate(), SessionSigner.generate())
    )
    risk_lead: CustodianSigner = field(default_factory=_custodian)
    security_lead: CustodianSigner = field(default_factory=_custodian)
    kek: InMemoryKEKProvider = field(default_factory=_kek)
    next_kek: InMemoryKEKProvider = field(default_factory=_kek)

    def first(self) -> Change:
        """Return the first manifest and its DEK."""
        since = _now() - dt.timedelta(days=1)
        return ManifestMaker(self.agent, life_s=LIFE_S).first(
            deployment=DEPLOYMENT,
            kek_public_key=self.kek.get_public_key(),
            policy=Policy.default(),
            enrichers=[SignerEntry(session.public, KeyState.CURRENT, 1) for session in self.sessions],
            custodians=[
                CustodianEntry(Role.RISK_LEAD, self.risk_lead.public, KeyState.CURRENT, since),
                CustodianEntry(Role.SECURITY_LEAD, self.security_lead.public, KeyState.CURRENT, since),
            ],
            now=_now(),
        )

    def rotate_dek(self) -> tuple[str, Records]:
        """Return the id and the records of a rotate-dek."""
        return self._signed(_command(RotateDek()))

    def rotate_kek(self, manifest: Manifest, records: Mapping[str, DekRecord]) -> tuple[str, Records]:
        """Return those of a rotate-kek, with every DEK wrapped under the next KEK."""
        public = self.next_kek.get_public_key()
        blank = _command(RotateKek(public))
        rewraps: Records = []
        hashes = []
        for entry in manifest.deks:
            record = records[entry.version.text]
            private = unwrap_dek(
                record.wraps[self.kek.kek_id],
                dek_version=entry.version.text,
                dek_public_key=record.public_key,
                kek=self.kek,
            )
            wrapped = wrap_dek(private, dek_version=entry.version.text, kek_public_key=public)
            payload = Rewrap(blank.id, entry.version, self.next_kek.kek_id, wrapped).to_payload()
            key = TopicKey(Kind.REWRAP, blank.id, entry.version.text).text
            rewraps.append((key, Envelope.sign(Kind.REWRAP, payload, [self.risk_lead]).to_bytes()))
            hashes.append((entry.version, payload_sha256(payload)))
        command_id, signed = self._signed(
            replace(blank, arguments=RotateKek(public, tuple(hashes))), {Slot.SECURITY_LEAD: self.security_lead}
        )
        return command_id, rewraps + signed

    def emergency(self, manifest: Manifest) -> tuple[str, Records]:
        """Return those of an emergency: a new Risk Lead's key, a new DEK, and the very first DEK revoked."""
        new = _custodian()
        arguments = EmergencyRotate(
            (Replacement(Role.RISK_LEAD, new.public),), rotate_dek=True, revoke=(manifest.deks[0].version,)
        )
        signed = self._signed(_command(arguments), {Slot.SECURITY_LEAD: self.security_lead, Slot.NEW_RISK_LEAD: new})
        self.risk_lead = new
        return signed

    def _signed(self, command: Command, approvals: Mapping[Slot, CustodianSigner] | None = None) -> tuple[str, Records]:
        envelope = sign_command(command, self.risk_lead)
        records = [(TopicKey(Kind.COMMAND, command.id).text, envelope.to_bytes())]
        for slot, signer in (approvals or {}).items():
            records.append((TopicKey(Kind.APPROVAL, command.id, slot).text, approve(envelope, signer).to_bytes()))
        return command.id, records


def _command(arguments: Arguments) -> Command:
    return Command.new(arguments, deployment=DEPLOYMENT, reason="a measured rotation", now=_now())

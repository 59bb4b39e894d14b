"""One command of every kind, and results of every outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.control.arguments import (
    DestroyDek,
    EnrolEnricher,
    RetireEnricher,
    RetireKek,
    RevokeDek,
    RevokeEnricher,
    RotateDek,
    RotateKek,
    SetMinimumVersion,
    SetPolicy,
)
from aegis_stream.control.custody_arguments import (
    EmergencyRotate,
    ReplaceAgentKey,
    ReplaceCustodian,
    Replacement,
    SetRecoveryKey,
)
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.result import Outcome, Result
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import Role
from aegis_stream.pii import Policy
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import DekVersion
from tests.support.control_world import NOW, enricher, kek
from tests.support.control_world import RECOVERY as KEY

if TYPE_CHECKING:
    from aegis_stream.control.command import Arguments

V1, V2 = DekVersion.parse("dek-v1-20260101"), DekVersion.parse("dek-v2-20260301")
EXAMPLES: list[Arguments] = [
    RotateDek(),
    SetPolicy(Policy("strict", ("email",), ("/a/*",), ("signer_id",))),
    RevokeDek(V1),
    SetMinimumVersion(V2),
    DestroyDek(V1, no_copies_attested=True),
    EnrolEnricher(enricher(3)),
    RetireEnricher("0123456789abcdef"),
    RevokeEnricher("0123456789abcdef"),
    RotateKek(kek(2), ((V1, "ab" * 32), (V2, "cd" * 32))),
    RetireKek("kek-0123456789abcdef"),
    ReplaceCustodian(Replacement(Role.RISK_LEAD, KEY.public)),
    ReplaceAgentKey(AgentSigner.from_seed(bytes(64)).public),
    SetRecoveryKey(KEY.public),
    EmergencyRotate((Replacement(Role.RISK_LEAD, KEY.public),), rotate_dek=True, revoke=(V1,)),
]

ID = "0190a6a0-0000-7000-8000-000000000000"
RESULTS = [
    Result(id=ID, deployment="d", outcome=Outcome.EXECUTED, sequence=3, decided_at=NOW),
    Result(
        id=ID,
        deployment="d",
        outcome=Outcome.REFUSED,
        sequence=3,
        decided_at=NOW,
        kind=CommandKind.REVOKE_DEK,
        reason=CommandReason.ACTIVE,
        message="the active DEK cannot be revoked",
    ),
    Result(id=ID, deployment="d", outcome=Outcome.WAITING, sequence=3, decided_at=NOW, effective_at=NOW),
    Result(
        id=ID,
        deployment="d",
        outcome=Outcome.EXECUTED,
        sequence=3,
        decided_at=NOW,
        kind=CommandKind.DESTROY_DEK,
        active_version=DekVersion.parse("dek-v2-20260301"),
        binds_by=NOW,
        brokers_clear_at=NOW,
        keks=("kek-0123456789abcdef",),
        copies_attested=False,
    ),
]

"""Custodians who are being replaced: new keys, and a replacement that waits for a veto."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from aegis_stream.control.approval import ApprovalState, judge
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceCustodian, Replacement
from aegis_stream.control.result import Outcome
from aegis_stream.keyring.entries import CustodianEntry, Role
from tests.support.control_world import SECURITY, World, custodian

if TYPE_CHECKING:
    from aegis_stream.control.cases import Case
    from aegis_stream.control.signing import CustodianSigner


NEW, NEWER, NEW_SECURITY = custodian("new risk"), custodian("newer risk"), custodian("new security")
VETO = dt.timedelta(hours=72)
REPLACE = ReplaceCustodian(Replacement(Role.RISK_LEAD, NEW.public))


def entry_of(world: World, signer: CustodianSigner) -> CustodianEntry:
    """Return the manifest's entry of a key."""
    return next(entry for entry in world.manifest.custodians if entry.public_key == signer.public)


def state(world: World, case: Case) -> ApprovalState:
    """Return where a case stands."""
    return judge(case, manifest=world.manifest, now=world.now).state


def waiting(world: World, arguments: ReplaceCustodian | EmergencyRotate = REPLACE) -> Case:
    """Let Security Lead and the new key ask for Risk Lead's replacement; it waits."""
    case = world.case(world.command(arguments), SECURITY, new_risk_lead=NEW)
    decision = world.carry_out(case)
    assert decision is not None
    assert decision.result.outcome is Outcome.WAITING
    assert decision.result.effective_at == world.now + VETO
    return case

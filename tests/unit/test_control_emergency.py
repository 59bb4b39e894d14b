"""Emergencies: replace, rotate and revoke in one command, and what must wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.approval import ApprovalState
from aegis_stream.control.cases import role_keys
from aegis_stream.control.custody_arguments import EmergencyRotate, Replacement
from aegis_stream.control.result import Outcome
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import KeyState, Role
from aegis_stream.wire import DekVersion
from tests.support.control_world import RECOVERY, RISK, SECURITY, World
from tests.support.replacing import NEW, NEW_SECURITY, VETO, entry_of, state, waiting

if TYPE_CHECKING:
    from aegis_stream.control.signing import CustodianSigner


EMERGENCY = (Replacement(Role.RISK_LEAD, NEW.public),)


def test_emergency_does_all_of_it_at_once() -> None:
    """Replace, revoke, rotate, and revoke the DEK that was active until now."""
    world = World.new(rotations=1)
    arguments = EmergencyRotate(EMERGENCY, rotate_dek=True, revoke=(world.version(1), world.version(2)))
    decision = world.run(arguments, SECURITY, new_risk_lead=NEW, risk_lead=RISK)
    assert [entry.state.value for entry in world.manifest.deks] == ["revoked", "revoked", "active"]
    assert decision.result.active_version == world.version(3)
    assert decision.result.binds_by is not None
    assert entry_of(world, RISK).state is KeyState.REVOKED


def test_emergency_without_a_replacement_needs_both() -> None:
    """DEKs may be affected though no custodian's key is."""
    world = World.new()
    arguments = EmergencyRotate((), rotate_dek=True, revoke=(world.version(1),))
    assert state(world, world.case(world.command(arguments), RISK)) is ApprovalState.PARTIAL
    world.run_both(arguments)
    assert [entry.state.value for entry in world.manifest.deks] == ["revoked", "active"]


def test_emergency_that_must_wait_rotates_now_and_revokes_later() -> None:
    """A rotation needs one signature anyway, so the new DEK need not wait for a veto."""
    world = World.new()
    arguments = EmergencyRotate(EMERGENCY, rotate_dek=True, revoke=(world.version(1),))
    case = waiting(world, arguments)
    assert [entry.state.value for entry in world.manifest.deks] == ["decrypt-only", "active"]
    world.now += VETO
    decision = world.carry_out(case)
    assert decision is not None
    assert decision.result.outcome is Outcome.EXECUTED
    assert [entry.state.value for entry in world.manifest.deks] == ["revoked", "active"]
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == NEW.public


def test_emergency_never_revokes_the_active_dek() -> None:
    """Also found before the wait, not after it."""
    world = World.new()
    arguments = EmergencyRotate(EMERGENCY, rotate_dek=False, revoke=(world.version(1),))
    for approvals in ({"risk_lead": RISK}, {}):
        decision = world.decide(world.case(world.command(arguments), SECURITY, new_risk_lead=NEW, **approvals))
        assert decision is not None
        assert decision.result.reason is CommandReason.ACTIVE
        assert decision.wanted is not None
        assert decision.wanted.deks == world.manifest.deks
        assert decision.records == ()
    unknown = EmergencyRotate((), rotate_dek=True, revoke=(DekVersion.parse("dek-v1-20200101"),))
    assert world.run_both(unknown).result.reason is CommandReason.UNKNOWN_DEK


BOTH = EmergencyRotate(
    (Replacement(Role.RISK_LEAD, NEW.public), Replacement(Role.SECURITY_LEAD, NEW_SECURITY.public)),
    rotate_dek=False,
    revoke=(),
)


@pytest.mark.parametrize(
    ("approvals", "approved"),
    [
        ({}, False),
        ({"new_risk_lead": NEW, "new_security_lead": NEW_SECURITY}, False),
        ({"new_risk_lead": NEW, "security_lead": SECURITY}, False),
        ({"new_risk_lead": NEW, "new_security_lead": NEW_SECURITY, "security_lead": SECURITY}, True),
        ({"new_risk_lead": NEW, "new_security_lead": NEW_SECURITY, "recovery": RECOVERY}, True),
    ],
)
def test_both_roles_at_once_need_a_second_old_key_or_recovery(
    approvals: dict[str, CustodianSigner], *, approved: bool
) -> None:
    """Nobody stays who could object, so there is no waiting: one custodian never takes both roles."""
    world = World.new(recovery=True)
    case = world.case(world.command(BOTH), RISK, **approvals)
    assert state(world, case) is (ApprovalState.APPROVED if approved else ApprovalState.PARTIAL)
    if approved:
        world.carry_out(case)
        assert {keys.current for keys in role_keys(world.manifest).values()} == {NEW.public, NEW_SECURITY.public}


def test_roles_cannot_swap_their_keys() -> None:
    """A key that is or was of one role is never of the other, whatever both sign."""
    world = World.new(recovery=True)
    swap = EmergencyRotate(
        (Replacement(Role.RISK_LEAD, SECURITY.public), Replacement(Role.SECURITY_LEAD, RISK.public)),
        rotate_dek=False,
        revoke=(),
    )
    case = world.case(world.command(swap), RISK, security_lead=SECURITY, new_risk_lead=SECURITY, new_security_lead=RISK)
    decision = world.decide(case)
    assert decision is not None
    assert decision.result.reason is CommandReason.KEY_IN_USE

"""Replacing custodians: who must sign, and the wait for a veto."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.approval import ApprovalState, judge
from aegis_stream.control.arguments import RevokeDek, RotateDek
from aegis_stream.control.cases import role_keys
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceCustodian, Replacement
from aegis_stream.control.decision import settle
from aegis_stream.control.result import Outcome
from aegis_stream.control.signing import approve, reject
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import CustodianEntry, KeyState, Role
from tests.support.control_world import NOW, RECOVERY, RISK, SECURITY, World
from tests.support.replacing import NEW, NEWER, REPLACE, VETO, entry_of, state, waiting

if TYPE_CHECKING:
    from aegis_stream.control.cases import Case
    from aegis_stream.control.signing import CustodianSigner


def custodians(world: World) -> list[tuple[bytes, KeyState]]:
    """Return the keys and their states in the manifest's order."""
    return [(entry.public_key, entry.state) for entry in world.manifest.custodians]


def vetoed(case: Case, signer: CustodianSigner, role: Role, world: World) -> Case:
    """Add a rejection."""
    rejection = reject(case.command, signer, role=role, reason="it was not me", now=world.now)
    return replace(case, rejections={**case.rejections, role: rejection})


def test_replacement_that_the_old_key_signs_takes_effect_at_once() -> None:
    """The ordinary case: the key is old, not lost."""
    world = World.new()
    world.run(REPLACE, SECURITY, new_risk_lead=NEW, risk_lead=RISK)
    old = entry_of(world, RISK)
    assert (old.state, old.revoked_at) == (KeyState.REVOKED, NOW)
    assert entry_of(world, NEW) == CustodianEntry(Role.RISK_LEAD, NEW.public, KeyState.CURRENT, NOW)
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == NEW.public


@pytest.mark.parametrize(
    ("first", "approvals", "missing"),
    [
        (SECURITY, {}, {Slot.NEW_RISK_LEAD}),
        (RISK, {}, {Slot.SECURITY_LEAD, Slot.NEW_RISK_LEAD}),
        (RISK, {"security_lead": SECURITY}, {Slot.NEW_RISK_LEAD}),
        (RISK, {"new_risk_lead": NEW}, {Slot.SECURITY_LEAD}),
        (RISK, {"new_risk_lead": NEW, "recovery": RECOVERY}, {Slot.SECURITY_LEAD}),
        (SECURITY, {"new_risk_lead": NEWER}, {Slot.NEW_RISK_LEAD}),
        (SECURITY, {"recovery": RECOVERY, "risk_lead": RISK}, {Slot.NEW_RISK_LEAD}),
    ],
)
def test_replacement_needs_the_other_custodian_and_the_new_key_itself(
    first: CustodianSigner, approvals: dict[str, CustodianSigner], missing: set[Slot]
) -> None:
    """The new key shows that somebody holds it; nobody replaces his own key alone."""
    world = World.new(recovery=True)
    judgement = judge(world.case(world.command(REPLACE), first, **approvals), manifest=world.manifest, now=NOW)
    assert judgement.state is ApprovalState.PARTIAL
    assert set(judgement.missing) == missing


@pytest.mark.parametrize("signer", [NEW, RECOVERY])
def test_new_and_recovery_key_alone_are_strangers(signer: CustodianSigner) -> None:
    """Without a custodian nothing is even answered."""
    world = World.new(recovery=True)
    case = world.case(world.command(REPLACE), signer, recovery=RECOVERY, new_risk_lead=NEW)
    assert state(world, case) is ApprovalState.PENDING


def test_replacement_without_the_old_key_waits_72_hours() -> None:
    """The manifest holds the new key with the time from which it counts; the old one stays in force until then."""
    world = World.new()
    case = waiting(world)
    assert entry_of(world, NEW).since == NOW + VETO
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == RISK.public
    assert state(world, case) is ApprovalState.WAITING
    assert world.decide(case) is None
    world.now = NOW + VETO - dt.timedelta(seconds=1)
    world.take(world.manifest)
    assert world.decide(case) is None
    world.now = NOW + VETO
    decision = world.carry_out(case)
    assert decision is not None
    assert decision.result.outcome is Outcome.EXECUTED
    assert custodians(world) == [
        (RISK.public, KeyState.REVOKED),
        (SECURITY.public, KeyState.CURRENT),
        (NEW.public, KeyState.CURRENT),
    ]
    assert entry_of(world, NEW).since == NOW + VETO
    assert state(world, case) is ApprovalState.SETTLED


def test_wait_is_a_setting() -> None:
    """Some deployments cannot wait three days."""
    world = World.new()
    world.terms = replace(world.terms, veto=dt.timedelta(hours=1))
    decision = world.carry_out(world.case(world.command(REPLACE), SECURITY, new_risk_lead=NEW))
    assert decision is not None
    assert decision.result.effective_at == NOW + dt.timedelta(hours=1)


def test_role_that_is_being_replaced_signs_nothing_new() -> None:
    """A thief of the old key must not use the days of the wait; nor does the new key count before its time."""
    world = World.new(rotations=1)
    waiting(world)
    rotation = world.command(RotateDek())
    for signer in (RISK, NEW):
        assert state(world, world.case(rotation, signer)) is ApprovalState.PENDING
    judgement = judge(world.case(rotation, RISK), manifest=world.manifest, now=NOW)
    assert judgement.reason is CommandReason.SUSPENDED
    assert state(world, world.case(rotation, SECURITY)) is ApprovalState.APPROVED
    revoke = world.command(RevokeDek(world.version(1)))
    assert state(world, world.case(revoke, SECURITY, risk_lead=RISK)) is ApprovalState.PARTIAL
    assert state(world, world.case(revoke, RISK, security_lead=SECURITY)) is ApprovalState.PARTIAL


def test_role_that_is_being_replaced_rejects_nothing_else() -> None:
    """A thief of the old key must not stop the other custodian's rotations for three days."""
    world = World.new()
    waiting(world)
    case = vetoed(world.case(world.command(RotateDek()), SECURITY), RISK, Role.RISK_LEAD, world)
    judgement = judge(case, manifest=world.manifest, now=world.now)
    assert judgement.state is ApprovalState.APPROVED
    assert judgement.signatures is not None
    assert judgement.signatures.ignored == (("rejection/risk-lead", CommandReason.SUSPENDED),)


def test_old_key_vetoes_while_it_waits() -> None:
    """Whoever still holds it says no, and the new key is out for good."""
    world = World.new()
    case = waiting(world)
    world.now += VETO - dt.timedelta(seconds=1)
    decision = world.carry_out(vetoed(case, RISK, Role.RISK_LEAD, world))
    assert decision is not None
    assert (decision.result.outcome, decision.result.reason) == (Outcome.REFUSED, CommandReason.REJECTED)
    assert entry_of(world, NEW).state is KeyState.REVOKED
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == RISK.public
    world.now += dt.timedelta(days=10)
    later = world.decide(case)
    assert later is None or later.wanted is None
    assert settle(world.manifest, now=world.now) is None


def test_veto_written_in_time_counts_though_the_agent_was_away() -> None:
    """The agent reads everything before it lets a wait end."""
    world = World.new()
    case = waiting(world)
    refused = vetoed(case, RISK, Role.RISK_LEAD, world)
    world.now += VETO + dt.timedelta(hours=1)
    decision = world.carry_out(refused)
    assert decision is not None
    assert decision.result.reason is CommandReason.REJECTED
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == RISK.public


def test_the_one_who_asked_withdraws() -> None:
    """The other custodian may think again as well."""
    world = World.new()
    case = waiting(world)
    decision = world.carry_out(vetoed(case, SECURITY, Role.SECURITY_LEAD, world))
    assert decision is not None
    assert decision.result.reason is CommandReason.REJECTED


@pytest.mark.parametrize(("slot", "signer"), [("risk_lead", RISK), ("recovery", RECOVERY)])
def test_old_or_recovery_key_ends_the_wait(slot: str, signer: CustodianSigner) -> None:
    """It may sign later than the others."""
    world = World.new(recovery=True)
    case = waiting(world)
    world.now += dt.timedelta(hours=30)
    approved = replace(case, approvals={**case.approvals, Slot(slot.replace("_", "-")): approve(case.command, signer)})
    decision = world.carry_out(approved)
    assert decision is not None
    assert decision.result.outcome is Outcome.EXECUTED
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == NEW.public
    assert entry_of(world, NEW).since == world.now


def test_recovery_key_overrules_the_veto_of_a_stolen_key() -> None:
    """Else the thief of a key could keep it for ever; the other custodian's no still counts."""
    world = World.new(recovery=True)
    case = world.case(world.command(REPLACE), SECURITY, new_risk_lead=NEW, recovery=RECOVERY)
    assert state(world, vetoed(case, RISK, Role.RISK_LEAD, world)) is ApprovalState.APPROVED
    assert state(world, vetoed(case, SECURITY, Role.SECURITY_LEAD, world)) is ApprovalState.REJECTED


def test_recovery_replaces_a_role_whose_replacement_already_waits() -> None:
    """The proposal that waited is revoked with the old key."""
    world = World.new(recovery=True)
    first = waiting(world)
    other = ReplaceCustodian(Replacement(Role.RISK_LEAD, NEWER.public))
    world.run(other, SECURITY, new_risk_lead=NEWER, recovery=RECOVERY)
    assert entry_of(world, NEW).state is KeyState.REVOKED
    assert entry_of(world, RISK).state is KeyState.REVOKED
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == NEWER.public
    assert state(world, first) is ApprovalState.SETTLED


def test_second_proposal_does_not_join_the_first() -> None:
    """One role, one wait; and the suspended old key cannot confirm another one."""
    world = World.new()
    waiting(world)
    other = world.command(ReplaceCustodian(Replacement(Role.RISK_LEAD, NEWER.public)))
    decision = world.decide(world.case(other, SECURITY, new_risk_lead=NEWER))
    assert decision is not None
    assert decision.result.reason is CommandReason.SUSPENDED
    decision = world.decide(world.case(other, SECURITY, new_risk_lead=NEWER, risk_lead=RISK))
    assert decision is not None
    assert decision.result.reason is CommandReason.SUSPENDED


@pytest.mark.parametrize(
    "public", [SECURITY.public, RISK.public, RECOVERY.public], ids=["security", "risk", "recovery"]
)
def test_new_key_is_nobodys_old_key(public: bytes) -> None:
    """So one person never holds two of the keys, and a revoked one never returns."""
    world = World.new(recovery=True)
    signer = {SECURITY.public: SECURITY, RISK.public: RISK, RECOVERY.public: RECOVERY}[public]
    arguments = ReplaceCustodian(Replacement(Role.RISK_LEAD, public))
    decision = world.decide(world.case(world.command(arguments), SECURITY, new_risk_lead=signer, risk_lead=RISK))
    assert decision is not None
    assert decision.result.reason is CommandReason.KEY_IN_USE


def test_recovery_key_that_is_also_a_custodians_recovers_nothing() -> None:
    """A manifest that names it so gives that custodian no second vote."""
    world = World.new()
    world.manifest = replace(world.manifest, recovery_key=SECURITY.public)
    case = world.case(world.command(REPLACE), SECURITY, new_risk_lead=NEW, recovery=SECURITY)
    judgement = judge(case, manifest=world.manifest, now=NOW)
    assert judgement.must_wait


def test_wait_ends_also_where_the_command_was_lost() -> None:
    """The manifest remembers what was accepted; somebody may have overwritten the command's record."""
    world = World.new()
    waiting(world)
    assert settle(world.manifest, now=NOW + VETO - dt.timedelta(seconds=1)) is None
    world.now += VETO
    settled = settle(world.manifest, now=world.now)
    assert settled is not None
    world.take(settled)
    assert role_keys(world.manifest)[Role.RISK_LEAD].current == NEW.public
    assert settle(world.manifest, now=world.now) is None


def test_another_payload_under_the_id_of_a_waiting_command_is_not_carried_out() -> None:
    """The key that waits is the manifest's; what else a command asks must be signed by all it needs."""
    world = World.new(rotations=1)
    first = waiting(world)
    more = EmergencyRotate(REPLACE.replacements, rotate_dek=True, revoke=(world.version(1),))
    forged = replace(world.command(more), id=first.id)
    world.now += VETO
    case = world.case(forged, SECURITY)
    assert state(world, case) is ApprovalState.PARTIAL
    assert world.decide(case) is None

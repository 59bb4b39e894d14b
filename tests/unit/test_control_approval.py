"""Where a command stands: signatures, slots, rejections and time."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.approval import ApprovalState, Judgement, judge
from aegis_stream.control.arguments import RetireEnricher, RevokeDek, RotateDek
from aegis_stream.control.cases import Case
from aegis_stream.control.custody_arguments import EmergencyRotate, Replacement
from aegis_stream.control.rejection import Rejection
from aegis_stream.control.signing import CustodianSigner, approve, reject, sign_command
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import Role
from aegis_stream.wire import DekVersion
from tests.support.control_world import NOW, RECOVERY, RISK, SECURITY, World, custodian

if TYPE_CHECKING:
    from aegis_stream.control.command import Command

REVOKE = RevokeDek(DekVersion.parse("dek-v1-20260301"))
STRANGER = custodian("stranger")
WORLD = World.new(rotations=1)


def judged(case: Case, *, now: dt.datetime = NOW, world: World = WORLD) -> Judgement:
    """Judge in the small deployment."""
    return judge(case, manifest=world.manifest, now=now)


def state(case: Case, *, now: dt.datetime = NOW) -> ApprovalState:
    """Return the state alone."""
    return judged(case, now=now).state


def revoke() -> Command:
    """Return a command that needs both."""
    return WORLD.command(REVOKE)


def test_command_of_two_goes_from_partial_to_approved() -> None:
    """Either custodian may be the first."""
    for first, second, slot in ((RISK, SECURITY, "security_lead"), (SECURITY, RISK, "risk_lead")):
        assert state(WORLD.case(revoke(), first)) is ApprovalState.PARTIAL
        assert state(WORLD.case(revoke(), first, **{slot: second})) is ApprovalState.APPROVED
    missing = judged(WORLD.case(revoke(), RISK)).missing
    assert missing == (Slot.SECURITY_LEAD,)


@pytest.mark.parametrize("signer", [RISK, SECURITY])
@pytest.mark.parametrize("arguments", [RotateDek(), RetireEnricher("0123456789abcdef")])
def test_command_of_one_is_approved_by_either(signer: CustodianSigner, arguments: RotateDek | RetireEnricher) -> None:
    """Rotation must be easy."""
    assert state(WORLD.case(WORLD.command(arguments), signer)) is ApprovalState.APPROVED


@pytest.mark.parametrize("signer", [STRANGER, RECOVERY])
def test_command_without_a_custodians_signature_stays_pending(signer: CustodianSigner) -> None:
    """Counted and shown, not answered."""
    judgement = judged(WORLD.case(WORLD.command(RotateDek()), signer))
    assert (judgement.state, judgement.reason) == (ApprovalState.PENDING, CommandReason.SIGNATURE)


def test_two_signatures_in_the_commands_own_envelope_count() -> None:
    """Two people at one machine need no approval record."""
    command = revoke()
    case = Case(command.id, sign_command(command, RISK, SECURITY))
    assert state(case) is ApprovalState.APPROVED


def test_one_person_in_both_roles_counts_once() -> None:
    """Under the other's slot, or under his own once more."""
    twice = judged(WORLD.case(revoke(), RISK, security_lead=RISK))
    assert twice.state is ApprovalState.PARTIAL
    assert twice.signatures is not None
    assert twice.signatures.ignored == (("security-lead", CommandReason.SAME_SIGNER),)
    assert state(WORLD.case(revoke(), RISK, risk_lead=RISK)) is ApprovalState.PARTIAL


def test_approval_of_another_payload_does_not_count() -> None:
    """A signature over another command, even one with the same id, is no consent to this one."""
    command = revoke()
    other = replace(command, reason="another reason")
    case = Case(
        command.id, sign_command(command, RISK), {Slot.SECURITY_LEAD: approve(sign_command(other, SECURITY), SECURITY)}
    )
    judgement = judged(case)
    assert judgement.state is ApprovalState.PARTIAL
    assert judgement.signatures is not None
    assert judgement.signatures.ignored == (("security-lead", CommandReason.MISMATCH),)


def test_signature_of_a_command_is_none_of_an_approval() -> None:
    """The kind of record is signed as well."""
    command = revoke()
    as_command = sign_command(command, SECURITY)
    moved = Envelope(Kind.APPROVAL, as_command.payload, as_command.signatures)
    judgement = judged(Case(command.id, sign_command(command, RISK), {Slot.SECURITY_LEAD: moved}))
    assert judgement.signatures is not None
    assert judgement.signatures.ignored == (("security-lead", CommandReason.SIGNATURE),)


def test_wrong_keyid_hides_a_signature_and_makes_none() -> None:
    """A keyid is a hint: a stranger who writes a custodian's is still a stranger."""
    command = revoke()
    strangers = sign_command(command, STRANGER)
    claimed = replace(strangers.signatures[0], key_id=RISK.key_id)
    case = Case(command.id, Envelope(Kind.COMMAND, strangers.payload, (claimed,)))
    assert state(case) is ApprovalState.PENDING


def rejected(case: Case, signer: CustodianSigner, role: Role) -> Case:
    """Add a rejection."""
    rejection = reject(case.command, signer, role=role, reason="not now", now=NOW)
    return replace(case, rejections={role: rejection})


@pytest.mark.parametrize(("signer", "role"), [(RISK, Role.RISK_LEAD), (SECURITY, Role.SECURITY_LEAD)])
def test_either_custodian_rejects(signer: CustodianSigner, role: Role) -> None:
    """Also the one who signed first and thinks again, and also against a complete approval."""
    for case in (WORLD.case(revoke(), RISK), WORLD.case(revoke(), RISK, security_lead=SECURITY)):
        judgement = judged(rejected(case, signer, role))
        assert (judgement.state, judgement.reason) == (ApprovalState.REJECTED, CommandReason.REJECTED)


def test_rejection_counts_only_from_its_role_and_for_this_payload() -> None:
    """A forged no must not stop an emergency."""
    case = WORLD.case(revoke(), RISK, security_lead=SECURITY)
    assert state(rejected(case, STRANGER, Role.RISK_LEAD)) is ApprovalState.APPROVED
    assert state(rejected(case, SECURITY, Role.RISK_LEAD)) is ApprovalState.APPROVED
    other = WORLD.case(revoke(), RISK)
    moved = replace(case, rejections=rejected(other, RISK, Role.RISK_LEAD).rejections)
    judgement = judged(moved)
    assert judgement.state is ApprovalState.APPROVED
    assert judgement.signatures is not None
    assert judgement.signatures.ignored == (("rejection/risk-lead", CommandReason.MISMATCH),)


def test_rejection_closes_a_command_that_nobody_has_signed_yet() -> None:
    """Whoever may write to the topic could overwrite the rejection before the signature comes."""
    world = World.new(rotations=1)
    case = rejected(world.case(world.command(RotateDek()), STRANGER), RISK, Role.RISK_LEAD)
    decision = world.carry_out(case)
    assert decision is not None
    assert decision.result.reason is CommandReason.REJECTED
    signed = replace(case, command=sign_command(world.command(RotateDek(), id=case.id), RISK), rejections={})
    assert judged(signed, world=world).state is ApprovalState.SETTLED


def test_signed_rejection_that_cannot_be_read_does_not_count() -> None:
    """It says nothing about this command."""
    case = WORLD.case(revoke(), RISK, security_lead=SECURITY)
    unreadable = Envelope.sign(Kind.REJECTION, b"{}", [RISK])
    judgement = judged(replace(case, rejections={Role.RISK_LEAD: unreadable}))
    assert judgement.state is ApprovalState.APPROVED
    assert judgement.signatures is not None
    assert judgement.signatures.ignored == (("rejection/risk-lead", CommandReason.PAYLOAD),)


@pytest.mark.parametrize("approvals", [{}, {"security_lead": SECURITY}])
def test_command_expires_to_the_second(approvals: dict[str, CustodianSigner]) -> None:
    """Approved too late is not approved."""
    command = revoke()
    case = WORLD.case(command, RISK, **approvals)
    before = ApprovalState.APPROVED if approvals else ApprovalState.PARTIAL
    assert state(case, now=command.expires_at - dt.timedelta(seconds=1)) is before
    assert state(case, now=command.expires_at) is ApprovalState.EXPIRED


def test_command_from_the_future_names_the_clocks() -> None:
    """An hour off is a mistake that somebody must find."""
    command = revoke()
    case = WORLD.case(command, RISK)
    assert state(case, now=NOW - dt.timedelta(minutes=5)) is ApprovalState.PARTIAL
    judgement = judged(case, now=NOW - dt.timedelta(hours=1))
    assert (judgement.state, judgement.reason) == (ApprovalState.REFUSED, CommandReason.NOT_YET_VALID)
    assert "60 minutes in the future" in judgement.message
    assert "clocks" in judgement.message


def test_command_of_another_deployment_is_refused() -> None:
    """Custodians may serve two deployments with one key."""
    command = replace(revoke(), deployment="elsewhere")
    judgement = judged(WORLD.case(command, RISK))
    assert (judgement.state, judgement.reason) == (ApprovalState.REFUSED, CommandReason.DEPLOYMENT)


def test_command_under_another_id_is_refused() -> None:
    """Else one signature would make many commands."""
    case = replace(WORLD.case(revoke(), RISK), id=revoke().id)
    judgement = judged(case)
    assert (judgement.state, judgement.reason) == (ApprovalState.REFUSED, CommandReason.MISMATCH)


def test_signed_payload_that_cannot_be_read_is_refused_and_an_unsigned_one_ignored() -> None:
    """An operator with a plain Kafka client hears of a misspelt member; a stranger hears nothing."""
    command_id = revoke().id
    signed = judged(Case(command_id, Envelope.sign(Kind.COMMAND, b'{"v": 1}', [SECURITY])))
    assert (signed.state, signed.reason) == (ApprovalState.REFUSED, CommandReason.PAYLOAD)
    strangers = judged(Case(command_id, Envelope.sign(Kind.COMMAND, b'{"v": 1}', [STRANGER])))
    assert strangers.state is ApprovalState.PENDING


def test_used_id_is_settled_for_good() -> None:
    """The same record read again, or replayed by somebody else, changes nothing."""
    world = World.new()
    case = world.case(world.command(RotateDek()), RISK)
    assert world.carry_out(case) is not None
    assert judged(case, world=world).state is ApprovalState.SETTLED
    assert world.carry_out(case) is None
    assert len(world.manifest.deks) == 2


def test_revoked_custodians_signature_counts_no_more() -> None:
    """Whoever was replaced is a stranger."""
    world = World.new()
    new = custodian("new risk")
    emergency = EmergencyRotate((Replacement(Role.RISK_LEAD, new.public),), rotate_dek=False, revoke=())
    world.run(emergency, RISK, security_lead=SECURITY, new_risk_lead=new)
    case = world.case(world.command(RotateDek()), RISK)
    assert judged(case, world=world).state is ApprovalState.PENDING
    assert judged(world.case(world.command(RotateDek()), new), world=world).state is ApprovalState.APPROVED


def test_nobody_signs_what_he_cannot_read() -> None:
    """Approving and rejecting parse the payload first."""
    unknown = Envelope.sign(Kind.COMMAND, b'{"v": 2}', [RISK])
    with pytest.raises(CommandRefusedError):
        approve(unknown, SECURITY)
    with pytest.raises(CommandRefusedError):
        reject(unknown, SECURITY, role=Role.SECURITY_LEAD, reason="no", now=NOW)
    with pytest.raises(CommandRefusedError):
        reject(sign_command(revoke(), RISK), SECURITY, role=Role.SECURITY_LEAD, reason="", now=NOW)


def test_rejection_comes_back_as_it_was_written() -> None:
    """Its form is as strict as a command's."""
    rejection = Rejection(revoke().id, "tests", Role.RISK_LEAD, "ab" * 32, "not now", NOW)
    assert Rejection.from_payload(rejection.to_payload()) == rejection
    with pytest.raises(CommandRefusedError):
        Rejection.from_payload(rejection.to_payload().replace(b'"v":1', b'"v":2'))


def test_signer_shows_no_private_key() -> None:
    """It may stand in a log."""
    assert repr(RISK) == f"<CustodianSigner {RISK.key_id}>"
    with pytest.raises(TypeError):
        RISK.__reduce__()

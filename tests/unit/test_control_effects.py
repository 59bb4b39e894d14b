"""What commands about DEKs, policies, enrichers and the agent's key change, and what they refuse."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.arguments import (
    DestroyDek,
    EnrolEnricher,
    RetireEnricher,
    RevokeDek,
    RevokeEnricher,
    RotateDek,
    SetMinimumVersion,
    SetPolicy,
)
from aegis_stream.control.custody_arguments import ReplaceAgentKey, SetRecoveryKey
from aegis_stream.control.result import Outcome, Result
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import ExecutedCommand, KeyState, SignerEntry
from aegis_stream.pii import Policy
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import DekVersion, kek_id, signer_id
from tests.support.control_world import NOW, RECOVERY, RISK, World, enricher, kek

if TYPE_CHECKING:
    from aegis_stream.control.command import Arguments

STRICT = Policy("strict", ("email",))


def refused(world: World, arguments: Arguments) -> CommandReason | None:
    """Carry out what both signed; it must be refused, change nothing but the used ids, and say so in its result."""
    before = world.manifest
    result = world.run_both(arguments).result
    assert result.outcome is Outcome.REFUSED
    assert result.message
    assert world.manifest.substance() == before.substance()
    assert world.manifest.executed[-1].id == result.id
    return result.reason


def states(world: World) -> list[str]:
    """Return the states of the DEKs in the order of their n."""
    return [entry.state.value for entry in world.manifest.deks]


def test_rotation_makes_a_new_active_dek() -> None:
    """Wrapped under every KEK in force; the old one is only read from now on."""
    world = World.new()
    decision = world.run(RotateDek())
    assert states(world) == ["decrypt-only", "active"]
    active = world.manifest.active
    assert active.version == DekVersion.of(2, NOW.date())
    assert decision.result.active_version == active.version
    assert decision.result.outcome is Outcome.EXECUTED
    assert [record.version for record in decision.records] == [active.version]
    assert set(world.records[active.version.text].wraps) == {kek_id(kek(1))}
    assert active.policy == "default"
    assert world.records["dek-v1-20260301"].public_key != world.records[active.version.text].public_key


def test_decision_is_stamped_with_the_sequence_it_led_to() -> None:
    """The result names the manifest that operators look for."""
    decision = World.new().run(RotateDek())
    assert decision.result.sequence == 1
    assert decision.stamped(7).sequence == 7
    assert Result.from_payload(decision.stamped(7).to_payload()) == decision.stamped(7)


def test_sessions_stay_signed_and_become_signed() -> None:
    """The first enrolled enricher makes signatures compulsory; retiring the last one does not lift them."""
    world = World.new()
    world.run(RetireEnricher(signer_id(enricher(1))))
    world.run(RotateDek())
    assert world.manifest.active.signed
    unsigned = replace(world.manifest, deks=(*world.manifest.deks[:-1], replace(world.manifest.active, signed=False)))
    world.manifest = unsigned
    world.run(RotateDek())
    assert not world.manifest.active.signed
    world.run_both(EnrolEnricher(enricher(2)))
    world.run(RotateDek())
    assert world.manifest.active.signed


def test_policy_comes_with_a_dek_of_its_own() -> None:
    """Events already written stay judged by the policy under which they were written."""
    world = World.new()
    world.run_both(SetPolicy(STRICT))
    assert [entry.policy for entry in world.manifest.deks] == ["default", "strict"]
    assert world.manifest.policy_of(world.manifest.active) == STRICT
    assert refused(world, SetPolicy(STRICT)) is CommandReason.UNCHANGED
    assert refused(world, SetPolicy(Policy("strict", ("name",)))) is CommandReason.POLICY
    world.run_both(SetPolicy(Policy.default()))
    assert [policy.id for policy in world.manifest.policies] == ["default", "strict"]
    assert world.manifest.active.policy == "default"


def test_policy_that_leaves_one_of_the_twelve_in_the_clear_says_so_in_its_result() -> None:
    """Every tool warns of it; so does the record."""
    message = World.new().run_both(SetPolicy(Policy("open", exclude=("signer_id", "/a\n/actor_id")))).result.message
    assert "signer_id" in message
    assert "actor_id" in message
    assert "\n" not in message


def test_revoked_dek_binds_by_a_named_time() -> None:
    """The life of the manifest it replaces and the followers' grace."""
    world = World.new(rotations=1)
    expires_at = world.manifest.expires_at
    result = world.run_both(RevokeDek(world.version(1))).result
    assert states(world) == ["revoked", "active"]
    assert result.binds_by == expires_at + world.terms.follower_grace


def test_active_dek_is_neither_revoked_nor_destroyed() -> None:
    """Else writers would have none."""
    world = World.new(rotations=1)
    assert refused(world, RevokeDek(world.version(2))) is CommandReason.ACTIVE
    assert refused(world, DestroyDek(world.version(2), no_copies_attested=True)) is CommandReason.ACTIVE


def test_no_state_goes_back() -> None:
    """What was revoked or destroyed stays so."""
    world = World.new(rotations=2)
    world.run_both(RevokeDek(world.version(1)))
    assert refused(world, RevokeDek(world.version(1))) is CommandReason.UNCHANGED
    world.run_both(DestroyDek(world.version(1), no_copies_attested=False))
    assert states(world) == ["destroyed", "decrypt-only", "active"]
    assert refused(world, RevokeDek(world.version(1))) is CommandReason.BACKWARDS
    assert refused(world, DestroyDek(world.version(1), no_copies_attested=True)) is CommandReason.UNCHANGED


def test_minimum_goes_up_to_the_active_version_and_never_down() -> None:
    """Above it there would be nothing to write with."""
    world = World.new(rotations=2)
    assert refused(world, SetMinimumVersion(DekVersion.of(4, NOW.date()))) is CommandReason.ABOVE_ACTIVE
    assert refused(world, SetMinimumVersion(DekVersion.parse("dek-v2-20200101"))) is CommandReason.UNKNOWN_DEK
    result = world.run_both(SetMinimumVersion(world.version(2))).result
    assert result.binds_by is not None
    assert refused(world, SetMinimumVersion(world.version(2))) is CommandReason.UNCHANGED
    assert refused(world, SetMinimumVersion(world.version(1))) is CommandReason.BACKWARDS
    world.run_both(SetMinimumVersion(world.version(3)))
    assert world.manifest.minimum_version == world.version(3)


@pytest.mark.parametrize("attested", [True, False])
def test_destruction_drops_every_wrap_and_tells_what_remains(*, attested: bool) -> None:
    """Told as it is: the log, tiered storage and backups hold the old record for a time."""
    world = World.new(rotations=1)
    version = world.version(1)
    public_key = world.records[version.text].public_key
    decision = world.run_both(DestroyDek(version, no_copies_attested=attested))
    assert [record.version for record in decision.records] == [version]
    record = world.records[version.text]
    assert (record.public_key, dict(record.wraps)) == (public_key, {})
    entry = world.manifest.dek(version.text)
    assert entry is not None
    assert entry.record_sha256 == record.sha256
    result = decision.result
    assert result.keks == (kek_id(kek(1)),)
    assert result.copies_attested is attested
    assert result.brokers_clear_at == NOW + world.terms.brokers_clear
    assert "dropped from the current state" in result.message
    assert ("complete once each KEK" in result.message) is not attested


def test_dek_whose_record_was_not_read_is_not_destroyed() -> None:
    """A record made up in its place would have another public key."""
    world = World.new(rotations=1)
    del world.records[world.version(1).text]
    assert refused(world, DestroyDek(world.version(1), no_copies_attested=True)) is CommandReason.UNKNOWN_DEK


@pytest.mark.parametrize("shape", [RevokeDek, SetMinimumVersion])
def test_unknown_dek_is_refused(shape: type[RevokeDek | SetMinimumVersion]) -> None:
    """The whole text counts, not n alone."""
    world = World.new(rotations=1)
    assert refused(world, shape(DekVersion.parse("dek-v1-20200101"))) is CommandReason.UNKNOWN_DEK
    assert refused(world, shape(DekVersion.parse("dek-v9-20260301"))) is CommandReason.ABOVE_ACTIVE


def test_enricher_is_enrolled_from_the_active_dek_on() -> None:
    """Its key signs nothing that was written before."""
    world = World.new(rotations=1)
    world.run_both(EnrolEnricher(enricher(2)))
    assert world.manifest.enrichers[-1] == SignerEntry(enricher(2), KeyState.CURRENT, 2)
    assert refused(world, EnrolEnricher(enricher(2))) is CommandReason.KEY_IN_USE
    world.run_both(RevokeEnricher(signer_id(enricher(2))))
    assert refused(world, EnrolEnricher(enricher(2))) is CommandReason.KEY_IN_USE


def test_retired_enricher_signs_up_to_the_active_dek() -> None:
    """What it signed stays readable."""
    world = World.new(rotations=1)
    world.run(RetireEnricher(signer_id(enricher(1))))
    entry = world.manifest.enrichers[0]
    assert (entry.state, entry.first_n, entry.last_n) == (KeyState.RETIRED, 1, 2)
    assert refused(world, RetireEnricher(entry.id)) is CommandReason.UNCHANGED
    world.run_both(RevokeEnricher(entry.id))
    assert refused(world, RetireEnricher(entry.id)) is CommandReason.BACKWARDS


def test_revoked_enricher_is_refused_altogether() -> None:
    """With the time, for audits."""
    world = World.new()
    result = world.run_both(RevokeEnricher(signer_id(enricher(1)))).result
    entry = world.manifest.enrichers[0]
    assert (entry.state, entry.revoked_at) == (KeyState.REVOKED, NOW)
    assert result.binds_by is not None
    assert refused(world, RevokeEnricher(entry.id)) is CommandReason.UNCHANGED
    assert refused(world, RevokeEnricher("0" * 16)) is CommandReason.UNKNOWN_ENRICHER


def test_agent_key_is_replaced_and_the_old_one_retired() -> None:
    """Followers read from the manifest what to pin."""
    world = World.new()
    new = AgentSigner.from_seed(b"\x07" * 64).public
    world.run_both(ReplaceAgentKey(new))
    assert [entry.state for entry in world.manifest.agents] == [KeyState.RETIRED, KeyState.CURRENT]
    assert world.manifest.agents[1].public_key == new
    assert refused(world, ReplaceAgentKey(new)) is CommandReason.KEY_IN_USE


def test_recovery_key_is_nobody_elses() -> None:
    """Whoever holds it must not also be one of the two."""
    world = World.new()
    assert refused(world, SetRecoveryKey(RISK.public)) is CommandReason.KEY_IN_USE
    world.run_both(SetRecoveryKey(RECOVERY.public))
    assert world.manifest.recovery_key == RECOVERY.public
    assert refused(world, SetRecoveryKey(RECOVERY.public)) is CommandReason.UNCHANGED


def test_expired_command_is_answered_without_a_manifest() -> None:
    """It can never count again, so its id needs no room."""
    world = World.new()
    command = world.command(RevokeDek(world.version(1)))
    case = world.case(command, RISK)
    world.now = command.expires_at
    decision = world.decide(case)
    assert decision is not None
    assert (decision.wanted, decision.records) == (None, ())
    assert (decision.result.outcome, decision.result.reason) == (Outcome.EXPIRED, None)


def test_pending_and_partial_commands_are_not_answered() -> None:
    """An answer would let a stranger fill the topic through the agent."""
    world = World.new()
    command = world.command(RevokeDek(world.version(1)))
    assert world.decide(world.case(command, RECOVERY)) is None
    assert world.decide(world.case(command, RISK)) is None


def test_used_ids_are_kept_until_they_expire() -> None:
    """A replay before that is refused by the id, after that by its time."""
    world = World.new()
    command = world.command(RotateDek())
    case = world.case(command, RISK)
    world.carry_out(case)
    assert world.manifest.executed == (ExecutedCommand(command.id, command.expires_at),)
    world.now = command.expires_at - dt.timedelta(seconds=1)
    assert world.decide(case) is None
    world.now = command.expires_at
    world.take(world.manifest)
    assert world.manifest.executed == ()
    decision = world.decide(case)
    assert decision is not None
    assert decision.result.outcome is Outcome.EXPIRED

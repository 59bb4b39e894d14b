"""Rotating and retiring KEKs: wraps are merged by their hash, and nothing is lost that a KEK alone could open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aegis_stream.control.arguments import DestroyDek, RetireKek, RevokeDek, RotateDek, RotateKek
from aegis_stream.control.cases import Case
from aegis_stream.control.command import Command, payload_sha256
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.signing import sign_command
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import KekState
from aegis_stream.keyring.manifest import MAX_KEKS
from aegis_stream.wire import DekVersion, kek_id
from aegis_stream.wrapping import unwrap_dek, wrap_dek
from tests.support.control_world import RISK, SECURITY, World, kek, kek_private

OLD, NEW = kek_id(kek(1)), kek_id(kek(2))


class Keeper:
    """A KEK in memory."""

    def __init__(self, number: int) -> None:
        """Take one of the tests' KEKs."""
        self._public = kek(number)
        self._private = HybridPrivateKey.from_bytes(kek_private(number), public=self._public)

    def get_public_key(self) -> bytes:
        """Return the public key."""
        return self._public

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret."""
        return self._private.decapsulate(encapsulation)


def unwrap(world: World, version: DekVersion, number: int) -> HybridPrivateKey:
    """Open a DEK with one of the KEKs."""
    record = world.records[version.text]
    wrapped = record.wraps[kek_id(kek(number))]
    return unwrap_dek(wrapped, dek_version=version.text, dek_public_key=record.public_key, kek=Keeper(number))


def rewrapped(world: World, versions: list[DekVersion], *, to: int = 2) -> Case:
    """Wrap DEKs under another KEK as the operator's tool does, and let both sign the command."""
    blank = world.command(RotateKek(kek(to)))
    envelopes, hashes = {}, []
    for version in versions:
        wrapped = wrap_dek(unwrap(world, version, 1), dek_version=version.text, kek_public_key=kek(to))
        payload = Rewrap(blank.id, version, kek_id(kek(to)), wrapped).to_payload()
        envelopes[version.text] = Envelope.sign(Kind.REWRAP, payload, [RISK])
        hashes.append((version, payload_sha256(payload)))
    command = replace(blank, arguments=RotateKek(kek(to), tuple(hashes)))
    return Case(command.id, sign_command(command, RISK, SECURITY), rewraps=envelopes)


def versions(world: World) -> list[DekVersion]:
    """Return all versions."""
    return [entry.version for entry in world.manifest.deks]


def reason_of(world: World, case: Case) -> CommandReason | None:
    """Return why a case is refused; it changes no record."""
    decision = world.decide(case)
    assert decision is not None
    assert decision.records == ()
    assert decision.wanted is not None
    assert decision.wanted.keks == world.manifest.keks
    return decision.result.reason


def test_every_dek_opens_under_either_kek_during_the_grace() -> None:
    """And a DEK made meanwhile is wrapped under both."""
    world = World.new(rotations=2)
    case = rewrapped(world, versions(world))
    decision = world.carry_out(case)
    assert decision is not None
    assert [(entry.id, entry.state) for entry in world.manifest.keks] == [
        (OLD, KekState.GRACE),
        (NEW, KekState.CURRENT),
    ]
    assert set(decision.tombstones) == {f"rewrap/{case.id}/{version}" for version in versions(world)}
    world.run(RotateDek())
    for version in versions(world):
        assert unwrap(world, version, 1).export() == unwrap(world, version, 2).export()


def test_retired_kek_opens_nothing_any_more() -> None:
    """Its wraps are dropped, the others stay."""
    world = World.new(rotations=1)
    world.carry_out(rewrapped(world, versions(world)))
    decision = world.run_both(RetireKek(OLD))
    assert [entry.id for entry in world.manifest.keks] == [NEW]
    assert all(set(world.records[version.text].wraps) == {NEW} for version in versions(world))
    assert len(decision.records) == 2
    assert decision.result.brokers_clear_at is not None
    assert [unwrap(world, version, 2).public for version in versions(world)]


def test_kek_stays_while_a_dek_hangs_on_it_alone() -> None:
    """A DEK that a rotation made or that the rewrap left out; a revoked one too, an audit may ask for it."""
    world = World.new(rotations=1)
    world.run_both(RevokeDek(world.version(1)))
    decision = world.carry_out(rewrapped(world, [world.version(2)]))
    assert decision is not None
    assert "not wrapped under" in decision.result.message
    assert reason_of(world, world.case(world.command(RetireKek(OLD)), RISK, security_lead=SECURITY)) is (
        CommandReason.KEK_IN_USE
    )
    world.carry_out(rewrapped(world, [world.version(1)]))
    world.run_both(RetireKek(OLD))
    assert [entry.id for entry in world.manifest.keks] == [NEW]


def test_destroyed_dek_keeps_no_kek_in_force() -> None:
    """It hangs on nothing."""
    world = World.new(rotations=1)
    world.run_both(DestroyDek(world.version(1), no_copies_attested=True))
    decision = world.carry_out(rewrapped(world, [world.version(2)]))
    assert decision is not None
    assert decision.result.message == ""
    world.run_both(RetireKek(OLD))
    assert world.manifest.current_kek.id == NEW


def test_rewrap_counts_only_if_the_command_names_its_hash() -> None:
    """Whoever may write to the topic could offer another key in its place."""
    world = World.new()
    case = rewrapped(world, versions(world))
    name = world.version(1).text
    other = rewrapped(world, versions(world)).rewraps[name]
    assert reason_of(world, replace(case, rewraps={name: other})) is CommandReason.REWRAP
    assert reason_of(world, replace(case, rewraps={})) is CommandReason.REWRAP


@pytest.mark.parametrize("what", ["id", "version", "kek", "payload"])
def test_rewrap_must_be_of_this_command_dek_and_kek(what: str) -> None:
    """Even where both custodians signed its hash."""
    world = World.new(rotations=1)
    case = rewrapped(world, [world.version(1)])
    command = Command.from_payload(case.command.payload)
    rewrap = Rewrap.from_payload(case.rewraps[world.version(1).text].payload)
    changed = {
        "id": replace(rewrap, id=world.command(RotateDek()).id),
        "version": replace(rewrap, version=world.version(2)),
        "kek": replace(rewrap, kek=OLD),
        "payload": rewrap,
    }[what].to_payload()
    if what == "payload":
        changed += b" "
        changed = changed.replace(b'"v":1', b'"v":2')
    arguments = RotateKek(kek(2), ((world.version(1), payload_sha256(changed)),))
    envelope = Envelope.sign(Kind.REWRAP, changed, [RISK])
    signed = sign_command(replace(command, arguments=arguments), RISK, SECURITY)
    moved = Case(command.id, signed, rewraps={world.version(1).text: envelope})
    assert reason_of(world, moved) is CommandReason.REWRAP


def test_destroyed_dek_is_not_wrapped_again() -> None:
    """Else its destruction could be undone by whoever kept a copy."""
    world = World.new(rotations=1)
    case = rewrapped(world, [world.version(1)])
    world.run_both(DestroyDek(world.version(1), no_copies_attested=True))
    assert reason_of(world, case) is CommandReason.REWRAP


def test_dek_whose_record_was_not_read_is_not_merged() -> None:
    """The record that would be written is the one that was read, and one wrap more."""
    world = World.new()
    case = rewrapped(world, versions(world))
    world.records.clear()
    assert reason_of(world, case) is CommandReason.REWRAP


def test_current_and_unknown_keks_are_not_retired() -> None:
    """New DEKs need one."""
    world = World.new()
    both = {"security_lead": SECURITY}
    assert reason_of(world, world.case(world.command(RetireKek(OLD)), RISK, **both)) is CommandReason.KEK_CURRENT
    assert reason_of(world, world.case(world.command(RetireKek(NEW)), RISK, **both)) is CommandReason.UNKNOWN_KEK


def test_same_kek_again_needs_something_to_merge() -> None:
    """Completing an interrupted rewrap is fine, doing nothing is not."""
    world = World.new()
    assert reason_of(world, rewrapped(world, [], to=1)) is CommandReason.UNCHANGED
    world.carry_out(rewrapped(world, []))
    decision = world.carry_out(rewrapped(world, versions(world)))
    assert decision is not None
    assert decision.result.reason is None


def test_going_back_to_the_kek_in_grace_is_a_rotation_like_any_other() -> None:
    """Its wraps are still there."""
    world = World.new()
    world.carry_out(rewrapped(world, versions(world)))
    world.carry_out(rewrapped(world, [], to=1))
    assert world.manifest.current_kek.id == OLD
    assert [entry.state for entry in world.manifest.keks] == [KekState.GRACE, KekState.CURRENT]


def test_keks_are_bounded() -> None:
    """Every DEK is wrapped under each of them."""
    world = World.new()
    for number in range(2, MAX_KEKS + 1):
        world.carry_out(rewrapped(world, [], to=number))
    assert reason_of(world, rewrapped(world, [], to=MAX_KEKS + 1)) is CommandReason.LIMIT


def test_rewrap_is_read_strictly_and_shows_no_bytes() -> None:
    """It comes from a topic that anybody may write to."""
    world = World.new()
    envelope = rewrapped(world, versions(world)).rewraps[world.version(1).text]
    rewrap = Rewrap.from_payload(envelope.payload)
    assert rewrap.to_payload() == envelope.payload
    assert "wrapped" not in repr(rewrap)
    with pytest.raises(CommandRefusedError) as caught:
        Rewrap.from_payload(b"{}")
    assert caught.value.command_reason is CommandReason.REWRAP

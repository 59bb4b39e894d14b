"""The agent's command desk, without a broker: when a case is looked at, and what is only counted."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from aegis_stream.control import Outcome, TopicKey, sign_command
from aegis_stream.control.arguments import DestroyDek, RevokeDek, RotateDek
from aegis_stream.control.custody_arguments import ReplaceCustodian, Replacement
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.signing import approve
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import Role
from tests.support.control_world import AGENT, HOUR, RISK, SECURITY, World, custodian
from topologies.command_desk import LOGGED_EACH, CommandDesk

if TYPE_CHECKING:
    from aegis_stream.control import Command, CustodianSigner, Decision

NEW = custodian("new risk lead")


class Office:
    """A world and its desk."""

    def __init__(self) -> None:
        """Begin with two DEKs."""
        self.world = World.new(rotations=1)
        self.desk = CommandDesk(terms=self.world.terms)

    def write(self, key: str, envelope: Envelope) -> bool:
        """Let the desk read a record."""
        return self.desk.offer(key, envelope.to_bytes(), manifest=self.world.manifest)

    def give(self, command: Command, first: CustodianSigner, **approvals: CustodianSigner) -> None:
        """Write a command and its approvals."""
        envelope = sign_command(command, first)
        self.write(f"command/{command.id}", envelope)
        for name, signer in approvals.items():
            slot = Slot(name.replace("_", "-"))
            self.write(f"approval/{command.id}/{slot}", approve(envelope, signer))

    def next(self) -> Decision | None:
        """Ask the desk, and carry out and answer what it says."""
        world = self.world
        decision = self.desk.next_decision(manifest=world.manifest, records=world.records, now=world.now)
        if decision is not None:
            if decision.wanted is not None:
                world.take(decision.wanted, decision.records)
            result = decision.stamped(world.manifest.sequence)
            value = Envelope.sign(Kind.RESULT, result.to_payload(), [AGENT]).to_bytes()
            self.desk.answered(result, value)
            assert self.desk.genuine(world.manifest).get(TopicKey(Kind.RESULT, result.id).text) in {value, None}
        return decision


@pytest.fixture
def office() -> Office:
    """Return one that has read nothing."""
    return Office()


def test_command_of_a_key_that_comes_into_force_is_looked_at_again(office: Office) -> None:
    """Its record came in long before, when nobody knew its signer."""
    early = office.world.command(RotateDek())
    office.give(early, NEW)
    assert office.next() is None
    assert office.desk.ignored == {CommandReason.SIGNATURE: 1}
    replacement = office.world.command(ReplaceCustodian(Replacement(Role.RISK_LEAD, NEW.public)))
    office.give(replacement, RISK, security_lead=SECURITY, new_risk_lead=NEW)
    decided = [office.next(), office.next(), office.next()]
    assert [decision and decision.result.id for decision in decided] == [replacement.id, early.id, None]


def test_commands_are_decided_in_the_order_of_their_issue(office: Office) -> None:
    """Whatever order their records came in."""
    commands = []
    for _ in range(3):
        commands.append(office.world.command(RotateDek()))
        office.world.now += dt.timedelta(seconds=1)
    for command in reversed(commands):
        office.give(command, RISK)
    decided = [office.next() for _ in commands]
    assert [decision and decision.result.id for decision in decided] == [command.id for command in commands]


def test_half_signed_command_is_looked_at_when_its_time_is_over(office: Office) -> None:
    """And the desk says when that is."""
    command = office.world.command(RevokeDek(office.world.version(1)))
    office.give(command, RISK)
    assert office.next() is None
    assert office.desk.next_deadline() == command.expires_at
    office.world.now = command.expires_at - HOUR
    assert office.next() is None
    office.world.now = command.expires_at
    decision = office.next()
    assert decision is not None
    assert decision.result.outcome is Outcome.EXPIRED
    assert office.desk.next_deadline() is None
    assert office.next() is None


def test_answered_command_is_closed(office: Office) -> None:
    """Its records, once more, are a replay; what is read at the start is the topic's past."""
    command = office.world.command(RotateDek())
    office.give(command, RISK)
    assert office.next() is not None
    office.give(command, RISK, security_lead=SECURITY)
    office.desk.offer(
        f"command/{command.id}", sign_command(command, RISK).to_bytes(), manifest=office.world.manifest, live=False
    )
    assert office.next() is None
    assert office.desk.ignored == {CommandReason.REPLAY: 1}


def test_flood_is_counted_in_full_and_logged_in_part(office: Office) -> None:
    """A log of a million lines would be the attacker's second success."""
    with capture_logs() as logs:
        for _ in range(250):
            office.give(office.world.command(RotateDek()), custodian("stranger"))
        assert office.next() is None
    assert office.desk.ignored == {CommandReason.SIGNATURE: 250}
    assert len(logs) == LOGGED_EACH + 2


def test_other_records_are_none_of_its_business(office: Office) -> None:
    """Manifests and DEK records are the keyring's."""
    assert not office.desk.offer("manifest", b"", manifest=office.world.manifest)
    assert not office.desk.offer("command/not-an-id", b"", manifest=office.world.manifest)
    assert office.desk.ignored == {}


def test_destruction_takes_every_rewrap_of_its_dek_along() -> None:
    """What an interrupted rewrap has left under its key nothing else would ever overwrite; others' stay."""
    office = Office()
    first, second = office.world.version(1), office.world.version(2)
    left = "0190a6a0-0000-7000-8000-00000000000a"
    ((kek_id, wrapped),) = office.world.records[first.text].wraps.items()
    for version in (first, second):
        payload = Rewrap(left, version, kek_id, wrapped).to_payload()
        office.write(f"rewrap/{left}/{version}", Envelope.sign(Kind.REWRAP, payload, [RISK]))
    office.give(office.world.command(DestroyDek(first, no_copies_attested=False)), RISK, security_lead=SECURITY)
    decision = office.next()
    assert decision is not None
    assert decision.result.outcome is Outcome.EXECUTED
    assert decision.tombstones == (f"rewrap/{left}/{first}",)
    for version in (first, second):
        office.desk.offer(f"rewrap/{left}/{version}", None, manifest=office.world.manifest)
    assert office.desk.ignored == {CommandReason.SIGNATURE: 1}, "of the two only the other one's rewrap is still there"

"""A model of the control topic: everybody who writes to it, and the agent.

Commands of every kind are signed, rejected, forged, replayed and left to wait in any order, and the agent restarts.

The model knows who really signed which bytes and judges by the table of control-topic.md in its own words.  What the
agent does must always be allowed by it; every new manifest is made by the agent's maker, which refuses any state that
would go back.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, invariant, multiple, rule

from aegis_stream.control.arguments import RetireKek, RotateDek, RotateKek
from aegis_stream.control.book import CommandBook
from aegis_stream.control.cases import replacements_of, role_keys
from aegis_stream.control.decision import Decision, settle
from aegis_stream.control.result import Outcome
from aegis_stream.control.signing import approve, reject, sign_command
from aegis_stream.control.topic_keys import Slot
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekState, KeyState, Role
from tests.support.command_model import (
    ABSENT,
    MAKES,
    PEOPLE,
    REPLACEMENTS,
    ROLES,
    SIGNERS,
    SLOTS,
    Known,
    may_execute,
    naming,
    rewraps_for,
)
from tests.support.control_world import World

if TYPE_CHECKING:
    from aegis_stream.control.command import Command
    from aegis_stream.control.custody_arguments import Replacement
    from aegis_stream.control.signing import CustodianSigner
    from aegis_stream.keyring.manifest import Manifest

KIND_OF = {kind: number for number, kind in enumerate(MAKES)}
KINDS = st.integers(0, len(MAKES) - 1)
NUMBERS = st.integers(0, 9)


class ControlMachine(RuleBasedStateMachine):
    """The control topic, everybody who writes to it, and the agent's pure half."""

    commands = Bundle("commands")

    def __init__(self) -> None:
        """Begin with both custodians, a recovery key and two DEKs."""
        super().__init__()
        self.world = World.new(recovery=True, rotations=1)
        self.book = CommandBook()
        self.topic: list[tuple[str, bytes]] = []
        self.known: dict[bytes, Known] = {}
        self.issued = 0
        self.left_out = 0

    def write(self, key: str, value: bytes) -> None:
        """Anybody writes a record; the agent reads it."""
        self.topic.append((key, value))
        self.book.offer(key, value, manifest=self.world.manifest)

    def make(self, what: int, n: int, replacements: list[Replacement]) -> Command:
        """Make a command of some kind; one for a new KEK comes with its rewraps, but sometimes for one."""
        self.issued += 1  # ids of the clock's and of chance would make another order of cases in every run
        command_id = f"0190a6a0-0000-7000-8000-{self.issued:012x}"
        command = self.world.command(list(MAKES.values())[what](self.world, n, replacements), id=command_id)
        arguments = command.arguments
        if isinstance(arguments, RotateKek):
            wraps = rewraps_for(self.world, command_id, arguments.public_key, leave_out=self.left_out)
            for version, payload in wraps:
                rewrap = Envelope.sign(Kind.REWRAP, payload, [PEOPLE[0]])
                self.write(f"rewrap/{command_id}/{version}", rewrap.to_bytes())
            command = replace(command, arguments=naming(arguments.public_key, wraps))
        return command

    @rule(target=commands, what=KINDS, n=NUMBERS, new=REPLACEMENTS, signer=SIGNERS)
    def issue(self, what: int, n: int, new: list[Replacement], signer: CustodianSigner) -> Envelope:
        """Let somebody issue a command, allowed or not."""
        return self.issue_by(self.make(what, n, new), signer)

    @rule(target=commands, steps=st.lists(st.tuples(KINDS, NUMBERS), min_size=1, max_size=3), new=REPLACEMENTS)
    def carry_out(self, steps: list[tuple[int, int]], new: list[Replacement]) -> MultipleResults[Envelope]:
        """Let all who are asked sign one command after the other; else most commands would go nowhere."""
        return multiple(*[self.concert(what, n, new, set()) for what, n in steps])

    @rule(target=commands, steps=st.lists(st.tuples(KINDS, NUMBERS, ABSENT), min_size=3, max_size=6), new=REPLACEMENTS)
    def sign_in_part(
        self, steps: list[tuple[int, int, set[Slot]]], new: list[Replacement]
    ) -> MultipleResults[Envelope]:
        """Let one or two of them be absent."""
        return multiple(*[self.concert(what, n, new, without) for what, n, without in steps])

    @rule(target=commands, n=st.sampled_from([1, 2, 3]), new=REPLACEMENTS, left_out=st.sampled_from([0, 0, 1, 2]))
    def move_to_another_kek(self, n: int, new: list[Replacement], left_out: int) -> MultipleResults[Envelope]:
        """Rewrap, sometimes all but one, make a DEK during the grace, and end it."""
        self.left_out = left_out
        envelopes = [self.concert(KIND_OF[kind], n, new, set()) for kind in (RotateKek, RotateDek, RetireKek)]
        self.left_out = 0
        return multiple(*envelopes)

    def concert(self, what: int, n: int, new: list[Replacement], without: set[Slot]) -> Envelope:
        """Let all who are asked sign, but for some."""
        command = self.make(what, n, new)
        asked = self.asked(command)
        slots = [slot for slot in Slot if slot in asked and slot not in without] or [Slot.RECOVERY]
        envelope = self.issue_by(command, asked[slots[0]])
        for slot in slots[1:]:
            self.sign(envelope, asked[slot], slot)
        self.act()
        return envelope

    def issue_by(self, command: Command, signer: CustodianSigner) -> Envelope:
        """Write a command with its first signature."""
        envelope = sign_command(command, signer)
        self.known[envelope.payload] = Known(command, {signer.public})
        self.write(f"command/{command.id}", envelope.to_bytes())
        return envelope

    def asked(self, command: Command) -> dict[Slot, CustodianSigner]:
        """Return who is asked for a signature, by slot."""
        keys = {Slot(role.value): entry.current for role, entry in role_keys(self.world.manifest).items()}
        keys |= {Slot(f"new-{new.role.value}"): new.public_key for new in replacements_of(command)}
        keys[Slot.RECOVERY] = self.world.manifest.recovery_key
        return {slot: next(person for person in PEOPLE if person.public == key) for slot, key in keys.items()}

    @rule(command=commands, signer=SIGNERS, slot=SLOTS)
    def sign(self, command: Envelope, signer: CustodianSigner, slot: Slot) -> None:
        """Somebody approves under some slot."""
        known = self.known[command.payload]
        known.signed.add(signer.public)
        self.write(f"approval/{known.command.id}/{slot}", approve(command, signer).to_bytes())

    @rule(command=commands, slot=SLOTS)
    def sign_rightly(self, command: Envelope, slot: Slot) -> None:
        """Let somebody who is asked approve under his own slot."""
        asked = self.asked(self.known[command.payload].command)
        if slot in asked:
            self.sign(command, asked[slot], slot)

    @rule(command=commands, role=ROLES)
    def refuse_rightly(self, command: Envelope, role: Role) -> None:
        """Let a custodian say no; the agent acts before anything else happens."""
        self.refuse(command, self.asked(self.known[command.payload].command)[Slot(role.value)], role)
        self.act()

    @rule(command=commands, signer=SIGNERS, role=ROLES)
    def refuse(self, command: Envelope, signer: CustodianSigner, role: Role) -> None:
        """Somebody says no for a role, which counts only with that role's key."""
        known = self.known[command.payload]
        value = reject(command, signer, role=role, reason="no", now=self.world.now).to_bytes()
        key = f"rejection/{known.command.id}/{role}"
        if role_keys(self.world.manifest)[role].current == signer.public:
            known.rejected.add(signer.public)
            known.rejections[signer.public] = (key, value)
        self.write(key, value)

    @rule(
        command=commands, other=commands, kind=st.sampled_from(["command", "approval/risk-lead", "rejection/risk-lead"])
    )
    def forge(self, command: Envelope, other: Envelope, kind: str) -> None:
        """Let a stranger move signatures to another payload, under another id."""
        name, _, part = kind.partition("/")
        forged = Envelope(Kind(name), other.payload, command.signatures)
        command_id = self.known[command.payload].command.id
        self.write(f"{name}/{command_id}" + (f"/{part}" if part else ""), forged.to_bytes())

    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """Let a stranger write an old record again."""
        if self.topic:
            self.write(*data.draw(st.sampled_from(self.topic)))

    @rule(hours=st.sampled_from([1, 13, 24, 72]))
    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.world.now += dt.timedelta(hours=hours)

    @rule()
    def restart(self) -> None:
        """Start the agent anew, after compaction: the newest record of each key, and the manifest already known."""
        newest = dict(self.topic)
        self.topic = list(newest.items())
        self.book = CommandBook()
        for (
            known
        ) in self.known.values():  # what was overwritten before the agent acted on it is lost; nothing heals that
            known.rejected &= {key for key, name in known.rejections.items() if newest[name[0]] == name[1]}
        for key, value in self.topic:
            self.book.offer(key, value, manifest=self.world.manifest)

    @rule()
    def act(self) -> None:
        """Let the agent decide every case, then let waits end, then sign a fresh manifest."""
        for case in self.book.cases():
            answer = self.book.result(case.id)
            if answer is not None and answer.outcome is Outcome.EXPIRED:
                continue
            before = self.world.manifest
            decision = self.world.carry_out(case)
            if decision is not None:
                self.check(case.command.payload, decision, before)
                result = decision.stamped(self.world.manifest.sequence).to_payload()
                self.write(f"result/{case.id}", Envelope.sign(Kind.RESULT, result, [self.world.agent]).to_bytes())
        settled = settle(self.world.manifest, now=self.world.now)
        self.world.take(settled or self.world.manifest)

    def check(self, payload: bytes, decision: Decision, before: Manifest) -> None:
        """Compare what the agent did with what the model allows."""
        known = self.known[payload]
        outcome = decision.result.outcome
        if outcome in {Outcome.EXECUTED, Outcome.WAITING}:
            assert may_execute(known, before, self.world.now, waiting=outcome is Outcome.WAITING)
            assert outcome not in known.outcomes
            assert Outcome.REFUSED not in known.outcomes
        if outcome is Outcome.WAITING:
            known.waits_since = self.world.now
        if outcome is not Outcome.EXPIRED:
            known.outcomes.append(outcome)

    @invariant()
    def one_dek_is_active(self) -> None:
        """Writers have exactly one, and no version below the minimum."""
        active = [entry for entry in self.world.manifest.deks if entry.state is DekState.ACTIVE]
        assert active == [self.world.manifest.active]
        assert self.world.manifest.minimum_version.n <= active[0].version.n

    @invariant()
    def nobody_holds_both_roles(self) -> None:
        """Each key is of one role for ever, and the recovery key of none."""
        keys = [entry.public_key for entry in self.world.manifest.custodians]
        assert len(keys) == len(set(keys))
        assert self.world.manifest.recovery_key not in keys

    @invariant()
    def every_role_has_a_key_in_force(self) -> None:
        """Never is a deployment locked out by a command."""
        for keys in role_keys(self.world.manifest).values():
            assert keys.current is not None
        assert all(
            entry.revoked_at is not None for entry in self.world.manifest.custodians if entry.state is KeyState.REVOKED
        )

    @invariant()
    def every_dek_that_may_be_read_has_its_wraps(self) -> None:
        """No event becomes unreadable that should be readable, and none of a destroyed DEK stays readable."""
        for entry in self.world.manifest.deks:
            record = self.world.records[entry.version.text]
            assert record.sha256 == entry.record_sha256
            assert bool(record.wraps) is (entry.state is not DekState.DESTROYED)

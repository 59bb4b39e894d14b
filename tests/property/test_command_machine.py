"""A model of the control topic's commands: any order of signing, rejecting, forging, replaying, waiting and restarting.

The model knows who really signed which bytes and judges by the table of control-topic.md in its own words.  What the
agent does must always be allowed by it; every new manifest is made by the agent's maker, which refuses any state that
would go back, and is read again as a follower would.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from aegis_stream.control.arguments import DestroyDek, RevokeDek, RotateDek, SetMinimumVersion, SetPolicy
from aegis_stream.control.book import CommandBook
from aegis_stream.control.cases import RoleKeys, replacements_of, role_keys
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceCustodian, Replacement
from aegis_stream.control.decision import Decision, settle
from aegis_stream.control.result import Outcome
from aegis_stream.control.signing import CustodianSigner, approve, reject, sign_command
from aegis_stream.control.topic_keys import Slot
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekState, KeyState, Role
from aegis_stream.pii import Policy
from tests.support.control_world import AGENT, RECOVERY, RISK, SECURITY, World, custodian

if TYPE_CHECKING:
    from aegis_stream.control.command import Command

PEOPLE = [RISK, SECURITY, RECOVERY, *(custodian(f"new {number}") for number in range(4)), custodian("stranger")]
SIGNERS = st.sampled_from(PEOPLE)
NEW_KEYS = st.sampled_from([signer.public for signer in PEOPLE])
ROLES = st.sampled_from(list(Role))
SLOTS = st.sampled_from(list(Slot))
ABSENT = st.sampled_from(
    [
        set(),
        {Slot.RECOVERY},
        {Slot.RECOVERY, Slot.RISK_LEAD},
        {Slot.RECOVERY, Slot.SECURITY_LEAD},
        {Slot.SECURITY_LEAD},
        {Slot.RECOVERY, Slot.NEW_RISK_LEAD},
        {Slot.RECOVERY, Slot.NEW_SECURITY_LEAD, Slot.RISK_LEAD},
    ]
)
REPLACEMENTS = st.permutations(list(Role)).flatmap(
    lambda roles: st.lists(NEW_KEYS, min_size=2, max_size=2, unique=True).map(
        lambda keys: [Replacement(role, key) for role, key in zip(roles, keys, strict=True)]
    )
)
ONE_SIGNATURE = (RotateDek,)
VETO = dt.timedelta(hours=72)


@dataclass
class Known:
    """What the model knows about one command: who signed it, who said no, and since when it waits."""

    command: Command
    signed: set[bytes] = field(default_factory=set)
    rejected: set[bytes] = field(default_factory=set)
    rejections: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    waits_since: dt.datetime | None = None
    outcomes: list[Outcome] = field(default_factory=list)


def may_execute(known: Known, keys: dict[Role, RoleKeys], now: dt.datetime, *, waiting: bool) -> bool:
    """Tell by the table whether a command may be carried out now."""
    command = known.command
    current = {role: key.current for role, key in keys.items()}
    brought = {new.public_key for new in replacements_of(command)}
    suspended = {key.current for key in keys.values() if key.waiting and key.waiting.public_key not in brought}
    own = set(current.values()) - suspended
    if now >= command.expires_at and known.waits_since is None:
        return False
    replaced = {new.role: new.public_key for new in replacements_of(command)}
    if not replaced:
        needed = 1 if isinstance(command.arguments, ONE_SIGNATURE) else 2
        return len(known.signed & own) >= needed and not known.rejected & own
    stays = {key for role, key in current.items() if role not in replaced}
    if stays & suspended or not (stays | set(replaced.values())) <= known.signed:
        return False
    old = {current[role] for role in replaced}
    recovered = RECOVERY.public in known.signed
    vetoes = known.rejected & (stays if recovered else own)
    confirmed = recovered or (old <= known.signed and not old & suspended)
    waited = known.waits_since is not None and now - known.waits_since >= VETO
    one_old_signed = len(replaced) < len(Role) or bool(old & known.signed)
    return not vetoes and one_old_signed and (confirmed or (len(replaced) < len(Role) and (waiting or waited)))


class CommandMachine(RuleBasedStateMachine):
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

    def write(self, key: str, value: bytes) -> None:
        """Anybody writes a record; the agent reads it."""
        self.topic.append((key, value))
        self.book.offer(key, value, manifest=self.world.manifest)

    def make(self, what: int, n: int, replacements: list[Replacement]) -> Command:
        """Make a command of one of the kinds that the model knows."""
        version = self.world.version(1 + n % len(self.world.manifest.deks))
        arguments = [
            RotateDek(),
            RevokeDek(version),
            SetMinimumVersion(version),
            DestroyDek(version, no_copies_attested=bool(n % 2)),
            SetPolicy(Policy(f"policy-{n % 2}", (f"name{n}",))),
            ReplaceCustodian(replacements[0]),
            EmergencyRotate(tuple(replacements[: n % 3]), rotate_dek=True, revoke=(version,)),
        ][what]
        self.issued += 1  # ids of the clock's and of chance would make another order of cases in every run
        return self.world.command(arguments, id=f"0190a6a0-0000-7000-8000-{self.issued:012x}")

    @rule(target=commands, what=st.integers(0, 6), n=st.integers(0, 9), new=REPLACEMENTS, signer=SIGNERS)
    def issue(self, what: int, n: int, new: list[Replacement], signer: CustodianSigner) -> Envelope:
        """Let somebody issue a command, allowed or not."""
        return self.issue_by(self.make(what, n, new), signer)

    @rule(
        target=commands,
        what=st.integers(0, 6),
        n=st.integers(0, 9),
        new=REPLACEMENTS,
        without=ABSENT,
    )
    def issue_in_concert(self, what: int, n: int, new: list[Replacement], without: set[Slot]) -> Envelope:
        """Let all who are asked sign, but for one or two; else most commands would go nowhere."""
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
        keys[Slot.RECOVERY] = RECOVERY.public
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
                self.check(case.command.payload, decision, role_keys(before))
                result = decision.stamped(self.world.manifest.sequence).to_payload()
                self.write(f"result/{case.id}", Envelope.sign(Kind.RESULT, result, [AGENT]).to_bytes())
        settled = settle(self.world.manifest, now=self.world.now)
        self.world.take(settled or self.world.manifest)

    def check(self, payload: bytes, decision: Decision, keys: dict[Role, RoleKeys]) -> None:
        """Compare what the agent did with what the model allows."""
        known = self.known[payload]
        outcome = decision.result.outcome
        if outcome in {Outcome.EXECUTED, Outcome.WAITING}:
            assert may_execute(known, keys, self.world.now, waiting=outcome is Outcome.WAITING)
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
        assert RECOVERY.public not in keys

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


TestCommandMachine = CommandMachine.TestCase
TestCommandMachine.settings = settings(stateful_step_count=30)

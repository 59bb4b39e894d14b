"""The agent's command desk under the same storm as the commands: nothing decided twice, and nothing left lying.

The desk looks at a case only when one of its records comes in, when its time is over and when custody changes, and it
lets go of what is answered.  Compared here with looking at everything, always.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis.stateful import rule

from aegis_stream.control import ApprovalState, Outcome, TopicKey, judge
from aegis_stream.control.decision import settle
from aegis_stream.keyring.dsse import Envelope, Kind
from tests.support.control_machine import ControlMachine
from topologies.command_desk import CommandDesk


class DeskMachine(ControlMachine):
    """The command machine with the desk in the place of a look at every case."""

    def __init__(self) -> None:
        """Begin as it does."""
        self.desk: CommandDesk | None = None
        super().__init__()
        self.desk = CommandDesk(terms=self.world.terms)
        self.answers: Counter[tuple[str, Outcome]] = Counter()

    def write(self, key: str, value: bytes) -> None:
        """Anybody writes a record; the desk reads it as well."""
        super().write(key, value)
        assert self.desk is not None
        self.desk.offer(key, value, manifest=self.world.manifest)

    @rule()
    def restart(self) -> None:
        """Start the agent anew, after compaction."""
        super().restart()
        self.desk = CommandDesk(terms=self.world.terms)
        for key, value in self.topic:
            self.desk.offer(key, value, manifest=self.world.manifest, live=False)

    @rule()
    def act(self) -> None:
        """Let the agent put its answers right, do all that the desk has to give, and let waits end."""
        desk = self.desk
        assert desk is not None
        newest = dict(self.topic)
        for key, value in desk.genuine(self.world.manifest).items():
            if newest.get(key) != value:
                self.write(key, value)
        while True:
            world = self.world
            decision = desk.next_decision(manifest=world.manifest, records=world.records, now=world.now)
            if decision is None:
                break
            case = self.book.case(decision.result.id)
            assert case is not None
            before = world.manifest
            if decision.wanted is not None:
                world.take(decision.wanted, decision.records)
            self.check(case.command.payload, decision, before)
            result = decision.stamped(world.manifest.sequence)
            value = Envelope.sign(Kind.RESULT, result.to_payload(), [world.agent]).to_bytes()
            self.write(TopicKey(Kind.RESULT, result.id).text, value)
            self.answers[(result.id, result.outcome)] += 1
        self.nothing_is_left_lying()
        self.world.take(settle(self.world.manifest, now=self.world.now) or self.world.manifest)

    def nothing_is_left_lying(self) -> None:
        """Look at every case that has no final answer: none can be decided."""
        undecided = {ApprovalState.PENDING, ApprovalState.PARTIAL, ApprovalState.WAITING, ApprovalState.SETTLED}
        final = {command_id for command_id, outcome in self.answers if outcome is not Outcome.WAITING}
        for case in self.book.cases():
            if case.id not in final:
                judgement = judge(case, manifest=self.world.manifest, now=self.world.now)
                assert judgement.state in undecided, (case.id, judgement)
        assert all(count == 1 for count in self.answers.values())
        assert len(final) == sum(outcome is not Outcome.WAITING for _, outcome in self.answers)


TestDeskMachine = DeskMachine.TestCase
TestDeskMachine.settings = settings(stateful_step_count=25, max_examples=settings.default.max_examples // 4)

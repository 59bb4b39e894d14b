"""A model of a whole deployment's keys: everybody who writes to the control topic, the agent, and a reader.

tests/support/control_machine.py is the topic and the agent.  Under every DEK an event was encrypted when it was made:
the reader, who holds the KEKs that his manifest names and no others, opens it exactly where that manifest allows it,
whatever he has read in which order, replayed, forged or left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.support.control_machine import ControlMachine
from tests.support.modelled_reader import ModelledReader

if TYPE_CHECKING:
    from aegis_stream.control.custody_arguments import Replacement
    from aegis_stream.control.topic_keys import Slot
    from aegis_stream.keyring.dsse import Envelope


class CommandMachine(ControlMachine):
    """The same with a reader."""

    def __init__(self) -> None:
        """Begin with one who has read nothing."""
        super().__init__()
        self.reader = ModelledReader(self.world)

    def concert(self, what: int, n: int, new: list[Replacement], without: set[Slot]) -> Envelope:
        """Let the reader follow now and then."""
        envelope = super().concert(what, n, new, without)
        if n % 3 == 0:
            self.reader.read_to_the_end()
            self.reader.check()
        return envelope

    @rule(places=st.lists(st.integers(0, 400), min_size=1, max_size=6), forged=st.booleans())
    def read_in_any_order(self, places: list[int], forged: bool) -> None:  # noqa: FBT001 - a rule's argument
        """Let the reader meet old records, out of order and without their company, or forged."""
        self.reader.meet(places, forged=forged)

    @rule()
    def read_to_the_end(self) -> None:
        """Let him read everything in order, as he does undisturbed: then he knows what the agent knows."""
        self.reader.read_to_the_end()

    @rule()
    def restart_reader(self) -> None:
        """Start him anew, with what his disk knows."""
        self.reader.restart()

    @invariant()
    def reader_obeys_his_manifest(self) -> None:
        """Nothing opens that it forbids, and everything that it allows."""
        self.reader.check()


TestCommandMachine = CommandMachine.TestCase
TestCommandMachine.settings = settings(stateful_step_count=25, max_examples=settings.default.max_examples // 4)

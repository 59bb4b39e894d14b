"""All dead letters with what became of them; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.client.dead_letters.letter import parse_source
from aegis_stream.client.dead_letters.marks import MarkState
from aegis_stream.errors import LetterReason, LetterRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aegis_stream.client.dead_letters.letter import Letter
    from aegis_stream.client.dead_letters.marks import Mark
    from aegis_stream.errors import WriteReason


class LetterState(StrEnum):
    """What became of a dead letter."""

    PENDING = "pending"
    INTERRUPTED = "interrupted"
    UNCERTAIN = "uncertain"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    UNKNOWN_MARK = "unknown-mark"


_STATE_OF = {
    MarkState.REPLAYING: LetterState.INTERRUPTED,
    MarkState.REPLAYED: LetterState.REPLAYED,
    MarkState.DISCARDED: LetterState.DISCARDED,
}
OPEN = (LetterState.PENDING, LetterState.INTERRUPTED, LetterState.UNCERTAIN)
"""States in which something is left to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One dead letter: the first sealed record of its source, how many there are, and its mark."""

    letter: Letter
    copies: int
    state: LetterState
    mark: Mark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Every dead letter that the topic still holds, in the order of their sources.

    foreign: how many records of the topic are no dead letters.
    """

    standings: tuple[Standing, ...]
    foreign: int = 0

    @property
    def by_state(self) -> Counter[LetterState]:
        """Return how many letters are in each state."""
        return Counter(standing.state for standing in self.standings)

    @property
    def open_by_reason(self) -> Counter[WriteReason]:
        """Return how many letters that wait for an operator there are of each reason."""
        return Counter(standing.letter.reason for standing in self.standings if standing.state in OPEN)

    def find(self, text: str, *, topic: str) -> Standing:
        """Return the letter of an id; "partition/offset" alone means the given topic.

        Raises LetterRefusedError(UNKNOWN).
        """
        source = parse_source(text) or parse_source(f"{topic}/{text}")
        for standing in self.standings:
            if standing.letter.source == source:
                return standing
        raise LetterRefusedError(
            LetterReason.UNKNOWN, "there is no such dead letter", remedy="`aegis dead-letters list --all` shows them"
        )

    def select(
        self, *, ids: Sequence[str], topic: str, reasons: Collection[WriteReason], everything: bool
    ) -> tuple[Standing, ...]:
        """Return the letters of these ids, or those open of these reasons, or all that are open, by source.

        Raises LetterRefusedError(UNKNOWN).
        """
        if ids:
            named = {standing.letter.id: standing for standing in (self.find(each, topic=topic) for each in ids)}
            return tuple(standing for standing in self.standings if standing.letter.id in named)
        return tuple(
            standing
            for standing in self.standings
            if standing.state in OPEN and (everything or standing.letter.reason in reasons)
        )


@dataclass(slots=True)
class Surveyor:
    """Collects letters and marks, in the order in which they are read."""

    _letters: dict[str, tuple[Letter, int]] = field(default_factory=dict)
    _marks: dict[str, Mark | None] = field(default_factory=dict)
    _foreign: int = 0

    def saw_mark(self, key: bytes | None, value: bytes | None, mark: Mark | None) -> None:
        """Take a record of the state topic; `mark` None is one that cannot be read: its letter is left alone."""
        if key is None or not key.isascii():
            return
        if value is None:
            self._marks.pop(key.decode("ascii"), None)
        else:
            self._marks[key.decode("ascii")] = mark

    def saw_letter(self, letter: Letter | None) -> None:
        """Take a record of the dead-letter topic, None for one that is no dead letter."""
        if letter is None:
            self._foreign += 1
        else:
            first, copies = self._letters.get(letter.id, (letter, 0))
            self._letters[letter.id] = (first, copies + 1)

    def survey(self) -> Survey:
        """Return what was seen."""
        return Survey(
            standings=tuple(
                self._standing(letter, copies)
                for letter, copies in sorted(self._letters.values(), key=lambda each: each[0].source)
            ),
            foreign=self._foreign,
        )

    def _standing(self, letter: Letter, copies: int) -> Standing:
        if letter.id not in self._marks:
            return Standing(letter=letter, copies=copies, state=LetterState.PENDING)
        mark = self._marks[letter.id]
        state = LetterState.UNKNOWN_MARK if mark is None else _STATE_OF[mark.state]
        return Standing(letter=letter, copies=copies, state=state, mark=mark)

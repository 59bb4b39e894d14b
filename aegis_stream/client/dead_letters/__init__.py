"""Dead letters: what there is, opening them with a KEK, and putting them back or aside."""

from aegis_stream.client.dead_letters.desk import Desk, Done
from aegis_stream.client.dead_letters.letter import Letter
from aegis_stream.client.dead_letters.marks import Mark, MarkState
from aegis_stream.client.dead_letters.opening import LetterKeys, letter_keys
from aegis_stream.client.dead_letters.survey import LetterState, Standing, Survey
from aegis_stream.client.dead_letters.topics import survey_letters

__all__ = [
    "Desk",
    "Done",
    "Letter",
    "LetterKeys",
    "LetterState",
    "Mark",
    "MarkState",
    "Standing",
    "Survey",
    "letter_keys",
    "survey_letters",
]

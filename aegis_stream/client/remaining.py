"""What would be lost with a DEK: events, refused records of a re-encryption, open dead letters."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.dead_letters import LetterState, survey_letters
from aegis_stream.client.history import TopicHistory, read_history
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.survey import topic_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aegis_stream.settings import Settings

REFUSED_SUFFIX = ".refused"
"""Ends the name of the topic to which a re-encryption seals what it refuses; the new topic's name stands before it."""

_SETTLED = {LetterState.REPLAYED, LetterState.DISCARDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """Everything that is sealed or encrypted under some DEK.

    topics: each that was read.  letters: dead letters that nobody has replayed or discarded, by DEK version.
    """

    topics: tuple[TopicHistory, ...]
    letters: Counter[str]

    def under(self, version: str) -> dict[str, int]:
        """Return how many records would be lost with a version, by what they are; nothing where none would."""
        found = {topic.topic: topic.tally(version).remaining for topic in self.topics}
        found["dead letters"] = self.letters[version]
        return {name: count for name, count in found.items() if count}


async def read_remains(
    settings: Settings,
    *,
    more_topics: Sequence[str] = (),
    on_begin: Callable[[int], None] = lambda _offsets: None,
    on_records: Callable[[int], None] = lambda _records: None,
) -> Remains:
    """Read the encrypted topic, the topics named besides, each one's refused records, and the dead letters.

    on_begin, on_records: see `read_history`; called for each topic.
    Raises BrokerError: a topic that is there may not be read; BrokerUnavailableError.
    """
    connection = connection_kwargs(settings)
    named = dict.fromkeys((settings.topic_encrypted, *more_topics))
    letters = (settings.topic_dead_letter, settings.topic_dead_letter_state)
    maybe = [f"{name}{REFUSED_SUFFIX}" for name in named]
    async with administrator(connection) as admin:
        there = await topic_states(admin, [*maybe, *letters], settings=False)
    now = dt.datetime.now(dt.UTC)
    topics = [
        await read_history(connection, name, now=now, on_begin=on_begin, on_records=on_records)
        for name in [*named, *_present(maybe, there)]
    ]
    waiting: Counter[str] = Counter()
    if all(name in there for name in letters):
        survey = await survey_letters(connection, settings)
        waiting.update(each.letter.dek_version for each in survey.standings if each.state not in _SETTLED)
    return Remains(topics=tuple(topics), letters=waiting)


def _present(names: Iterable[str], there: Iterable[str]) -> list[str]:
    known = set(there)
    return [name for name in names if name in known]

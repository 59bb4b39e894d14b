"""What the topics say of dead letters, read without any key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.client.dead_letters.letter import letter_of
from aegis_stream.client.dead_letters.marks import mark_of
from aegis_stream.client.dead_letters.partition_reader import PartitionReader
from aegis_stream.client.dead_letters.survey import Surveyor
from aegis_stream.client.topics import preflight
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.findings import max_message_bytes
from aegis_stream.client.topics.survey import topic_states

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aegis_stream.client.dead_letters.survey import Survey
    from aegis_stream.settings import Settings

ATTEMPT_HEADER = "aegis-replay"
"""Stands on a replayed record on the raw topic, with the attempt of its mark; the enricher takes it away."""


async def survey_letters(
    connection: Mapping[str, Any], settings: Settings, *, on_records: Callable[[int], None] | None = None
) -> Survey:
    """Read the marks, then the headers of every dead letter.  on_records: told how many were read, again and again.

    Raises BrokerError: a topic is missing or refused; BrokerUnavailableError.
    """
    surveyor = Surveyor()
    letters, state = settings.topic_dead_letter, settings.topic_dead_letter_state
    partitions = await preflight(connection, topics=[letters, state])
    async with PartitionReader(connection) as reader:
        for partition in range(partitions[state]):
            begin, end = await reader.bounds(state, partition)
            async for records in reader.read(state, partition, begin, end):
                for record in records:
                    surveyor.saw_mark(record.key, record.value, mark_of(record.key, record.value))
        for partition in range(partitions[letters]):
            begin, end = await reader.bounds(letters, partition)
            async for records in reader.read(letters, partition, begin, end):
                for record in records:
                    surveyor.saw_letter(letter_of(record))
                if on_records is not None:
                    on_records(len(records))
    return surveyor.survey()


async def topic_max_bytes(connection: Mapping[str, Any], topic: str) -> int:
    """Return max.message.bytes of a topic, Kafka's default where this user may not see it.  Raises BrokerError."""
    async with administrator(connection) as admin:
        return max_message_bytes((await topic_states(admin, [topic], settings=True)).get(topic))

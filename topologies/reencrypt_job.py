"""Where a re-encryption stands on the broker: its group's offsets and tallies, written together with the data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.writer_ids import reencryption_prefix
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from topologies.reencrypt_account import Mark, Tally, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.client.spans import Span
    from aegis_stream.settings import Settings

_log = structlog.get_logger(__name__)


def job_name(settings: Settings, target: str) -> str:
    """Return the name of the job that writes to `target`: its consumer group and its transactional id."""
    return f"{reencryption_prefix(settings.deployment)}{target}"


@dataclass(slots=True)
class Job:
    """One job's task, and position and tally of every partition."""

    name: str
    task: Task
    positions: dict[int, int] = field(default_factory=dict)
    tallies: dict[int, Tally] = field(default_factory=dict)

    def offsets(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what is to be committed; every partition each time, so that none of them outlives its retention."""
        return {
            TopicPartition(self.task.source, number): OffsetAndMetadata(
                position, Mark(self.task, self.tallies[number]).to_text()
            )
            for number, position in self.positions.items()
        }

    def start(self, number: int, begin: int) -> None:
        """Begin with a partition of which nothing was read."""
        self.positions[number] = begin
        self.tallies[number] = Tally(begin=begin)

    def resume(self, number: int, position: int, tally: Tally, held: Span) -> None:
        """Go on with a partition, of which `held` is there now.

        Raises BrokerError(TOPIC_SETTINGS): the topic is not the one that this job has read.
        """
        if position > held.end:
            raise BrokerError(
                BrokerReason.TOPIC_SETTINGS,
                f"{self.task.source}/{number} ends at {held.end}, and this job has read up to {position}",
                remedy="the topic was made anew: begin again with another new topic",
            )
        if position < held.begin:
            _log.warning("retention took records away before they were read", partition=number, below=held.begin)
            tally.unread += held.begin - position
        self.positions[number] = max(position, held.begin)
        self.tallies[number] = tally


async def stored_marks(
    connection: Mapping[str, Any], name: str, source: str, partitions: int
) -> dict[int, tuple[int, Mark]]:
    """Return position and mark of every partition that the job's group has committed.

    Raises ConfigurationError: something else has committed to it; BrokerError, BrokerUnavailableError.
    """
    places = [TopicPartition(source, number) for number in range(partitions)]
    async with administrator(connection) as admin:
        with our_broker_errors(f"reading the committed offsets of group {name}"):
            found = await admin.list_consumer_group_offsets(name, partitions=places)
    return {
        place.partition: (entry.offset, Mark.parse(entry.metadata or ""))
        for place, entry in found.items()
        if entry.offset >= 0
    }


def task_of(marks: Mapping[int, tuple[int, Mark]], *, source: str, below: str | None, target: str) -> Task:
    """Return the task of a job that was begun.

    Raises ConfigurationError: its partitions disagree, or something else is asked for now.
    """
    tasks = {mark.task for _, mark in marks.values()}
    if len(tasks) != 1:
        raise ConfigurationError(
            "the partitions of this job were begun with different tasks", remedy="begin again with another new topic"
        )
    (task,) = tasks
    if task != Task(source=source, below=task.below if below is None else below):
        raise ConfigurationError(
            f"the job that writes {target} was begun with {task.source} and --below {task.below}",
            remedy="go on with the same, or without --below; another task needs another new topic",
        )
    return task

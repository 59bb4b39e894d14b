"""What the topics of a deployment must be; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.settings import Settings

DEFAULT_PARTITIONS = 6
DEFAULT_MAX_MESSAGE_BYTES = 1_048_588  # Kafka's own default of max.message.bytes
HEADROOM_BYTES = 65_536  # for what does not grow with the record: encapsulation, signature, coordinates
WANTED_REPLICATION = 3
MAX_COMPACTION_LAG_MS = 3_600_000  # how long a destroyed DEK's record may stay on a broker's disk


class TopicRole(StrEnum):
    """What a topic is for."""

    RAW = "raw"
    ENCRYPTED = "encrypted"
    DEAD_LETTER = "dead-letter"
    DEAD_LETTER_STATE = "dead-letter-state"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicNames:
    """The names that a deployment gives its topics."""

    raw: str
    encrypted: str
    dead_letter: str
    dead_letter_state: str
    control: str

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the names that the settings hold."""
        return cls(
            raw=settings.topic_raw,
            encrypted=settings.topic_encrypted,
            dead_letter=settings.topic_dead_letter,
            dead_letter_state=settings.topic_dead_letter_state,
            control=settings.topic_control,
        )

    def by_role(self) -> dict[TopicRole, str]:
        """Return role and name of each, the raw topic first."""
        return {
            TopicRole.RAW: self.raw,
            TopicRole.ENCRYPTED: self.encrypted,
            TopicRole.DEAD_LETTER: self.dead_letter,
            TopicRole.DEAD_LETTER_STATE: self.dead_letter_state,
            TopicRole.CONTROL: self.control,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """How one topic is made: `settings` are Kafka's topic settings, as text."""

    role: TopicRole
    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


def plan_topics(
    names: TopicNames,
    *,
    partitions: int = DEFAULT_PARTITIONS,
    replication: int = WANTED_REPLICATION,
    raw_max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES,
) -> tuple[TopicPlan, ...]:
    """Return how each topic is made, the raw topic first.

    partitions: of the raw topic and the two that follow it.  replication: of all; with 3 or more, one broker may be
    away.  raw_max_message_bytes: the raw topic's max.message.bytes, from which the others' follow.
    """
    insync = {"min.insync.replicas": str(min_insync(replication))}
    compacted = {"cleanup.policy": "compact"}
    settings: dict[TopicRole, dict[str, str]] = {
        TopicRole.RAW: {"max.message.bytes": str(raw_max_message_bytes)},
        TopicRole.ENCRYPTED: {
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(encrypted_bytes(raw_max_message_bytes)),
        },
        TopicRole.DEAD_LETTER: {
            "cleanup.policy": "delete",
            "max.message.bytes": str(dead_letter_bytes(raw_max_message_bytes)),
        },
        TopicRole.DEAD_LETTER_STATE: dict(compacted),
        TopicRole.CONTROL: {
            **compacted,
            "max.compaction.lag.ms": str(MAX_COMPACTION_LAG_MS),
            "min.cleanable.dirty.ratio": "0.1",
        },
    }
    return tuple(
        TopicPlan(
            role=role,
            name=name,
            partitions=1 if role in {TopicRole.CONTROL, TopicRole.DEAD_LETTER_STATE} else partitions,
            replication=replication,
            settings=settings[role] | insync,
        )
        for role, name in names.by_role().items()
    )


def min_insync(replication: int) -> int:
    """Return how many replicas must have a record before it is acknowledged: all but one, which may be away."""
    return max(1, replication - 1)


def encrypted_bytes(raw_max_message_bytes: int) -> int:
    """Return the least max.message.bytes of the encrypted topic, bytes."""
    return 2 * raw_max_message_bytes + HEADROOM_BYTES


def dead_letter_bytes(raw_max_message_bytes: int) -> int:
    """Return the least max.message.bytes of the dead-letter topic, bytes: a sealed record is barely larger."""
    return raw_max_message_bytes + HEADROOM_BYTES

"""What is wrong with the topics that are there; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.client.topics.plan import (
    DEFAULT_MAX_MESSAGE_BYTES,
    MAX_COMPACTION_LAG_MS,
    TopicNames,
    TopicRole,
    dead_letter_bytes,
    encrypted_bytes,
    min_insync,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CREATE = "run `aegis topics create`"


class Weight(StrEnum):
    """Whether a finding breaks the deployment or only weakens it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """What the broker says of a topic.

    `replication` is the least of its partitions; `settings` None where the broker does not let us see them.
    `refused`: it is there, or may be, and we may not see it.
    """

    name: str
    partitions: int = 0
    replication: int = 0
    settings: Mapping[str, str] | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One difference: what was found, what is wanted, and what to do."""

    topic: str
    what: str
    found: str
    wanted: str
    remedy: str
    weight: Weight = Weight.ERROR


def judge_topics(names: TopicNames, states: Mapping[str, TopicState], *, replication: int) -> list[Finding]:
    """Compare the topics with what the deployment needs; an empty list: all is well.

    states: by name; a topic that is not there is absent.  replication: how many replicas every topic must have; all
    but one of them must take part in an acknowledgement.
    """
    findings: list[Finding] = []
    raw = states.get(names.raw)
    for role, name in names.by_role().items():
        state = states.get(name)
        if state is None:
            findings.append(Finding(topic=name, what="topic", found="missing", wanted="there", remedy=CREATE))
        elif state.refused:
            remedy = "give this user Describe on the topic"
            findings.append(Finding(topic=name, what="topic", found="refused", wanted="visible", remedy=remedy))
        else:
            findings.extend(_partitions(role, state, raw))
            findings.extend(_settings(role, state, raw))
            findings.extend(_replication(role, state, replication))
    return findings


def _partitions(role: TopicRole, state: TopicState, raw: TopicState | None) -> Iterator[Finding]:
    if role is TopicRole.CONTROL and state.partitions != 1:
        yield Finding(
            topic=state.name,
            what="partitions",
            found=str(state.partitions),
            wanted="1",
            remedy="partitions cannot be taken away: name a new control topic in AEGIS_TOPIC_CONTROL and create that",
        )
    follows = role in {TopicRole.ENCRYPTED, TopicRole.DEAD_LETTER}
    if follows and raw is not None and state.partitions < raw.partitions:
        yield Finding(
            topic=state.name,
            what="partitions",
            found=str(state.partitions),
            wanted=f"{raw.partitions} or more, as many as {raw.name}",
            remedy=f"kafka-topics.sh --alter --topic {state.name} --partitions {raw.partitions}",
        )


def _settings(role: TopicRole, state: TopicState, raw: TopicState | None) -> Iterator[Finding]:
    if state.settings is None:
        yield Finding(
            topic=state.name,
            what="settings",
            found="hidden",
            wanted="visible",
            remedy="give this user DescribeConfigs on the topic, or let an operator run this check",
            weight=Weight.WARNING,
        )
        return
    compacted = role in {TopicRole.CONTROL, TopicRole.DEAD_LETTER_STATE}
    if role is not TopicRole.RAW:
        yield from _exactly(state, "cleanup.policy", "compact" if compacted else "delete")
    if role is TopicRole.ENCRYPTED:
        yield from _exactly(state, "message.timestamp.type", "CreateTime")
    if role is TopicRole.CONTROL:
        yield from _at_most(state, "max.compaction.lag.ms", MAX_COMPACTION_LAG_MS)
    raw_bytes = max_message_bytes(raw)
    if role is TopicRole.ENCRYPTED:
        yield from _at_least(state, "max.message.bytes", encrypted_bytes(raw_bytes))
    if role is TopicRole.DEAD_LETTER:
        yield from _at_least(state, "max.message.bytes", dead_letter_bytes(raw_bytes))


def _replication(role: TopicRole, state: TopicState, wanted: int) -> Iterator[Finding]:
    if state.replication < wanted:
        yield Finding(
            topic=state.name,
            what="replication",
            found=str(state.replication),
            wanted=f"{wanted} or more",
            remedy="kafka-reassign-partitions.sh gives it more replicas; --replication says what is wanted",
        )
    if state.settings is not None:
        # Others may own the raw topic and settle for less; a manifest or an encrypted event must not be lost.
        weight = Weight.WARNING if role is TopicRole.RAW else Weight.ERROR
        yield from _at_least(state, "min.insync.replicas", min_insync(wanted), weight=weight)


def max_message_bytes(state: TopicState | None) -> int:
    """Return a topic's max.message.bytes, Kafka's default where it is not known."""
    settings = None if state is None else state.settings
    return int((settings or {}).get("max.message.bytes", DEFAULT_MAX_MESSAGE_BYTES))


def _exactly(state: TopicState, setting: str, wanted: str) -> Iterator[Finding]:
    found = (state.settings or {}).get(setting, "")
    if found != wanted:
        yield _setting(state, setting, found, wanted, wanted)


def _at_least(state: TopicState, setting: str, wanted: int, *, weight: Weight = Weight.ERROR) -> Iterator[Finding]:
    found = (state.settings or {}).get(setting, "")
    if not found.isdecimal() or int(found) < wanted:
        yield replace(_setting(state, setting, found, f"{wanted} or more", str(wanted)), weight=weight)


def _at_most(state: TopicState, setting: str, wanted: int) -> Iterator[Finding]:
    found = (state.settings or {}).get(setting, "")
    if not found.isdecimal() or int(found) > wanted:
        yield _setting(state, setting, found, f"{wanted} or less", str(wanted))


def _setting(state: TopicState, setting: str, found: str, wanted: str, value: str) -> Finding:
    alter = f"kafka-configs.sh --alter --entity-type topics --entity-name {state.name} --add-config {setting}={value}"
    return Finding(topic=state.name, what=setting, found=found or "unset", wanted=wanted, remedy=alter)

"""Make the topics of a deployment, and compare those that are there with what it needs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.admin import NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from aegis_stream.client.topics.admin import DEFAULT_TIMEOUT_S, administrator
from aegis_stream.client.topics.findings import Finding, TopicState, judge_topics, max_message_bytes
from aegis_stream.client.topics.plan import (
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PARTITIONS,
    WANTED_REPLICATION,
    TopicNames,
    TopicPlan,
    plan_topics,
)
from aegis_stream.client.topics.survey import RETRY_S, broker_count, topic_states
from aegis_stream.errors import BrokerError, BrokerReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.client.topics.admin import Admin


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsCreated:
    """What `create_topics` did: the topics it made, and what it found wrong with those that were there."""

    created: tuple[TopicPlan, ...]
    findings: tuple[Finding, ...]


async def create_topics(  # noqa: PLR0913 - the options of a command
    connection: Mapping[str, Any],
    names: TopicNames,
    *,
    partitions: int | None = None,
    replication: int | None = None,
    raw_max_message_bytes: int | None = None,
    timeout_s: float = 3 * DEFAULT_TIMEOUT_S,
) -> TopicsCreated:
    """Make the topics that are missing; never change one that is there, but say what is wrong with it.

    partitions: of the raw topic and of those that follow it, 6 by default.  replication: 3 by default, less where the
    cluster has fewer brokers.  A raw topic that is there already decides both its partitions and its record size for
    the others.

    Raises BrokerUnavailableError, BrokerError (topic-refused, topic-settings, and as in `administrator`).
    """
    async with administrator(connection, timeout_s=timeout_s) as admin:
        wanted = list(names.by_role().values())
        states = await topic_states(admin, wanted, settings=True)
        raw = states.get(names.raw)
        replicas = replication or await _default_replication(admin)
        plans = plan_topics(
            names,
            partitions=raw.partitions if raw and raw.partitions else partitions or DEFAULT_PARTITIONS,
            replication=replicas,
            raw_max_message_bytes=max_message_bytes(raw) if raw else raw_max_message_bytes or DEFAULT_MAX_MESSAGE_BYTES,
        )
        missing = tuple(plan for plan in plans if plan.name not in states)
        await _create(admin, missing)
        states = await _states_with(admin, wanted, missing)
    return TopicsCreated(created=missing, findings=tuple(judge_topics(names, states, replication=replicas)))


async def check_topics(
    connection: Mapping[str, Any],
    names: TopicNames,
    *,
    replication: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> list[Finding]:
    """Compare the topics that are there with what the deployment needs; an empty list: all is well.

    replication: 3 by default, less where the cluster has fewer brokers.  Raises as `administrator`.
    """
    async with administrator(connection, timeout_s=timeout_s) as admin:
        states = await topic_states(admin, list(names.by_role().values()), settings=True)
        replicas = replication or await _default_replication(admin)
    return judge_topics(names, states, replication=replicas)


async def _default_replication(admin: Admin) -> int:
    return min(WANTED_REPLICATION, await broker_count(admin))


async def create_planned(admin: Admin, plans: Sequence[TopicPlan]) -> None:
    """Make topics, and wait until the broker that is asked has heard of them.  Raises BrokerError."""
    await _create(admin, plans)
    await _states_with(admin, [plan.name for plan in plans], plans)


async def _create(admin: Admin, plans: Sequence[TopicPlan]) -> None:
    if not plans:
        return
    topics = [
        NewTopic(plan.name, plan.partitions, plan.replication, topic_configs=dict(plan.settings)) for plan in plans
    ]
    answer = await admin.create_topics(topics)
    for name, code, message in answer.topic_errors:
        if code in {NoError.errno, TopicAlreadyExistsError.errno}:  # somebody else made it meanwhile: judged below
            continue
        if code == TopicAuthorizationFailedError.errno:
            raise BrokerError(
                BrokerReason.TOPIC_REFUSED,
                f"this user may not create the topic {name}",
                remedy="let an operator with the right Create run `aegis topics create`",
            )
        remedy = "look at the broker's limits for topics"
        if code == InvalidReplicationFactorError.errno:
            remedy = "start more brokers, or say --replication with their number"
        raise BrokerError(
            BrokerReason.TOPIC_SETTINGS,
            f"the broker refuses to create {name}: {message or for_code(code).__name__}",
            remedy=remedy,
        )


async def _states_with(admin: Admin, wanted: Sequence[str], created: Sequence[TopicPlan]) -> dict[str, TopicState]:
    """Look again until the broker that is asked has heard of every topic just made."""
    while True:
        states = await topic_states(admin, wanted, settings=True)
        if all(plan.name in states for plan in created):
            return states
        await asyncio.sleep(RETRY_S)

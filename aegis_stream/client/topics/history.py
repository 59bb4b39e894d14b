"""Make the topics that a re-encryption writes: like the one that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.client.topics.admin import DEFAULT_TIMEOUT_S, administrator
from aegis_stream.client.topics.findings import TopicState, max_message_bytes
from aegis_stream.client.topics.manage import create_planned
from aegis_stream.client.topics.plan import HEADROOM_BYTES, TopicPlan, TopicRole, dead_letter_bytes
from aegis_stream.client.topics.survey import topic_states
from aegis_stream.errors import BrokerError, BrokerReason

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT = ("retention.ms", "retention.bytes", "min.insync.replicas", "segment.bytes", "segment.ms")
"""Settings that go over from the old topic."""


async def create_history_topics(
    connection: Mapping[str, Any], *, source: str, target: str, timeout_s: float = 3 * DEFAULT_TIMEOUT_S
) -> list[TopicPlan]:
    """Make `target` and `target`.refused with partitions, replicas and retention of `source`; returns both.

    The new topic takes records 64 KiB larger: a signature may come to events that had none.
    Raises BrokerError: `source` is missing or hidden, one of the new ones is there; BrokerUnavailableError.
    """
    refused = f"{target}.refused"
    async with administrator(connection, timeout_s=timeout_s) as admin:
        states = await topic_states(admin, [source, target, refused], settings=True)
        for name in (target, refused):
            if name in states and not states[name].refused:
                raise BrokerError(
                    BrokerReason.TOPIC_SETTINGS,
                    f"there is a topic {name} already",
                    remedy="a re-encryption begins with a new, empty topic: give another name",
                )
        old = _visible(source, states.get(source))
        plans = [_plan(target, old, max_message_bytes(old) + HEADROOM_BYTES)]
        plans.append(_plan(refused, old, dead_letter_bytes(max_message_bytes(old))))
        await create_planned(admin, plans)
    return plans


def _visible(name: str, state: TopicState | None) -> TopicState:
    if state is None:
        raise BrokerError(BrokerReason.TOPIC_MISSING, f"there is no topic {name}", remedy="look at --source")
    if state.settings is None:
        raise BrokerError(
            BrokerReason.TOPIC_REFUSED,
            f"the settings of the topic {name} are hidden from this user",
            remedy="give it the rights Describe and DescribeConfigs on the topic",
        )
    return state


def _plan(name: str, old: TopicState, max_bytes: int) -> TopicPlan:
    settings = {setting: old.settings[setting] for setting in _KEPT if old.settings and setting in old.settings}
    return TopicPlan(
        role=TopicRole.ENCRYPTED,
        name=name,
        partitions=old.partitions,
        replication=old.replication,
        settings={
            **settings,
            "cleanup.policy": "delete",
            "message.timestamp.type": "CreateTime",
            "max.message.bytes": str(max_bytes),
        },
    )

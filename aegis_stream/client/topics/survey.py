"""See which topics a broker has, and how they are set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NoError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from aegis_stream.client.topics.findings import TopicState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.client.topics.admin import Admin

RETRY_S = 0.1


async def broker_count(admin: Admin) -> int:
    """Return how many brokers the cluster has."""
    return len((await admin.describe_cluster())["brokers"])


async def topic_states(admin: Admin, names: Sequence[str], *, settings: bool) -> dict[str, TopicState]:
    """Return what is there of `names`; a missing topic is absent, one that we may not see is marked refused.

    settings: ask for them too, which needs the right DescribeConfigs.  Waits for topics that are just being made.
    """
    described = await _described(admin, names)
    visible = [name for name, (code, _) in described.items() if code == NoError.errno]
    known = await _settings(admin, visible) if settings and visible else {}
    return {
        name: TopicState(
            name=name,
            partitions=len(replicas),
            replication=min(replicas, default=0),
            settings=known.get(name),
            refused=code == TopicAuthorizationFailedError.errno,
        )
        for name, (code, replicas) in described.items()
        if code != UnknownTopicOrPartitionError.errno
    }


async def may_use_group(admin: Admin, group: str) -> bool:
    """Tell whether this user may use the consumer group; Faust and aiokafka would hang on it in silence."""
    while True:
        try:
            await admin.find_coordinator(group)
        except GroupAuthorizationFailedError:
            return False
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(RETRY_S)  # the first group of a new cluster: its offsets topic is being made
        else:
            return True


async def _described(admin: Admin, names: Sequence[str]) -> dict[str, tuple[int, list[int]]]:
    """Return, by name, the broker's code and the replica count of each partition."""
    settled = {NoError.errno, UnknownTopicOrPartitionError.errno, TopicAuthorizationFailedError.errno}
    while True:
        topics = await admin.describe_topics(list(names))
        if all(topic["error_code"] in settled for topic in topics):
            return {
                topic["topic"]: (topic["error_code"], [len(each["replicas"]) for each in topic["partitions"]])
                for topic in topics
            }
        await asyncio.sleep(RETRY_S)


async def _settings(admin: Admin, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the settings in force, by topic; a topic whose settings are refused is absent."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in answers
        for code, _, _, name, entries in answer.resources
        if code == NoError.errno
    }

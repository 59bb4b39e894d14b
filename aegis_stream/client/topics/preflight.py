"""Look before starting: what Kafka's clients would otherwise wait for in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.client.topics.admin import DEFAULT_TIMEOUT_S, administrator
from aegis_stream.client.topics.findings import CREATE, TopicState
from aegis_stream.client.topics.survey import may_use_group, topic_states
from aegis_stream.errors import BrokerError, BrokerReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


async def preflight(  # noqa: PLR0913 - one name a role
    connection: Mapping[str, Any],
    *,
    source: str | None = None,
    outputs: Sequence[str] = (),
    control: str | None = None,
    topics: Sequence[str] = (),
    group: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> dict[str, int]:
    """Make sure that a process can work with these topics and this group; return the partitions of each topic.

    connection: keyword arguments of an aiokafka client.  source: a topic whose partition p goes to partition p of
    each of `outputs`.  control: must have one partition.  topics: others that must be there.  All of it takes at most
    `timeout_s` seconds.  A right to write is not seen here: it shows at the first send.

    Raises BrokerUnavailableError (unreachable, timeout), BrokerError (credentials, tls, topic-missing, topic-refused,
    partitions, group-refused).
    """
    names = dict.fromkeys([*_given(source), *outputs, *_given(control), *topics])
    async with administrator(connection, timeout_s=timeout_s) as admin:
        states = await topic_states(admin, list(names), settings=False) if names else {}
        group_allowed = group is None or await may_use_group(admin, group)
    for name in names:
        _must_be_there(name, states.get(name))
    if control is not None and states[control].partitions != 1:
        raise BrokerError(
            BrokerReason.PARTITIONS,
            f"the control topic {control} has {states[control].partitions} partitions and must have 1",
            remedy="partitions cannot be taken away: `aegis keys backup` still reads the first one; then make the "
            "topic anew, or another one for AEGIS_TOPIC_CONTROL, and `aegis keys restore`",
        )
    for output in outputs:
        if source is not None and states[output].partitions < states[source].partitions:
            raise BrokerError(
                BrokerReason.PARTITIONS,
                f"{output} has {states[output].partitions} partitions, fewer than the {states[source].partitions} of "
                f"{source}",
                remedy="run `aegis topics check`; it says how to add partitions",
            )
    if not group_allowed:
        raise BrokerError(
            BrokerReason.GROUP_REFUSED,
            f"this user may not use the consumer group {group}",
            remedy=f"give it the right to Read group {group}",
        )
    return {name: states[name].partitions for name in names}


def _given(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _must_be_there(name: str, state: TopicState | None) -> None:
    if state is None:
        raise BrokerError(BrokerReason.TOPIC_MISSING, f"there is no topic {name}", remedy=CREATE)
    if state.refused:
        raise BrokerError(
            BrokerReason.TOPIC_REFUSED,
            f"this user may not see the topic {name}",
            remedy=f"give it the right to Read or Write topic {name}, as its part needs",
        )

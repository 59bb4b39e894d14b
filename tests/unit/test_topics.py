"""What topics must be and what is wrong with them, without a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aegis_stream.client.topics import TopicNames, TopicRole, TopicState, Weight, judge_topics, plan_topics

if TYPE_CHECKING:
    from aegis_stream.client.topics import TopicPlan

NAMES = TopicNames(raw="r", encrypted="e", dead_letter="d", dead_letter_state="s", control="c")


def state_of(plan: TopicPlan) -> TopicState:
    """Return what a broker says of a topic that was made as planned."""
    return TopicState(
        name=plan.name, partitions=plan.partitions, replication=plan.replication, settings=dict(plan.settings)
    )


@pytest.mark.parametrize("raw_bytes", [1_024, 1_048_588, 100_000_000])
def test_sealed_and_encrypted_records_have_room(raw_bytes: int) -> None:
    """The largest raw record must fit when it is encrypted or sealed, or a poison record could be put nowhere."""
    plans = {plan.role: plan for plan in plan_topics(NAMES, raw_max_message_bytes=raw_bytes)}
    assert int(plans[TopicRole.ENCRYPTED].settings["max.message.bytes"]) == 2 * raw_bytes + 65_536
    assert int(plans[TopicRole.DEAD_LETTER].settings["max.message.bytes"]) == raw_bytes + 65_536


def test_the_control_topic_is_made_for_keys() -> None:
    """One order, the newest record of each key, and a bound on how long a destroyed key stays on a disk."""
    control = next(plan for plan in plan_topics(NAMES, partitions=12) if plan.role is TopicRole.CONTROL)
    assert (control.partitions, control.replication) == (1, 3)
    assert control.settings == {
        "cleanup.policy": "compact",
        "max.compaction.lag.ms": "3600000",
        "min.cleanable.dirty.ratio": "0.1",
        "min.insync.replicas": "2",
    }


@pytest.mark.parametrize(("replication", "insync"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_one_broker_may_always_be_away(replication: int, insync: str) -> None:
    """With as many acknowledgements as replicas, the restart of one broker would stop the stream."""
    assert {plan.settings["min.insync.replicas"] for plan in plan_topics(NAMES, replication=replication)} == {insync}


@pytest.mark.parametrize("replication", [1, 3])
def test_what_is_planned_is_judged_right(replication: int) -> None:
    """Plan and judgement are two lists of the same rules: they must agree."""
    states = {plan.name: state_of(plan) for plan in plan_topics(NAMES, replication=replication)}
    assert judge_topics(NAMES, states, replication=replication) == []


def test_hidden_settings_are_a_warning_and_not_taken_for_good() -> None:
    """A user without DescribeConfigs cannot know; saying that all is well would be a lie."""
    states = {plan.name: TopicState(name=plan.name, partitions=6, replication=3) for plan in plan_topics(NAMES)}
    states["c"] = TopicState(name="c", partitions=1, replication=3)
    findings = judge_topics(NAMES, states, replication=3)
    assert [(each.topic, each.what, each.weight) for each in findings] == [
        (name, "settings", Weight.WARNING) for name in NAMES.by_role().values()
    ]


def test_an_unreadable_setting_is_named_as_unset() -> None:
    """A broker too old to know a setting leaves it out: that is a difference, not a crash."""
    states = {plan.name: state_of(plan) for plan in plan_topics(NAMES)}
    states["c"] = TopicState(name="c", partitions=1, replication=3, settings={"min.insync.replicas": "2"})
    assert {each.what: each.found for each in judge_topics(NAMES, states, replication=3)} == {
        "cleanup.policy": "unset",
        "max.compaction.lag.ms": "unset",
    }

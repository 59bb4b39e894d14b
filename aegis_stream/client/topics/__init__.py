"""Topics: what they must be, how they are made, what is wrong with them, and the look before a start."""

from aegis_stream.client.topics.findings import Finding, TopicState, Weight, judge_topics
from aegis_stream.client.topics.manage import TopicsCreated, check_topics, create_topics
from aegis_stream.client.topics.plan import TopicNames, TopicPlan, TopicRole, plan_topics
from aegis_stream.client.topics.preflight import preflight

__all__ = [
    "Finding",
    "TopicNames",
    "TopicPlan",
    "TopicRole",
    "TopicState",
    "TopicsCreated",
    "Weight",
    "check_topics",
    "create_topics",
    "judge_topics",
    "plan_topics",
    "preflight",
]

"""Making, checking and pre-flighting topics on a real broker."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.client.topics import (
    Finding,
    TopicNames,
    Weight,
    check_topics,
    create_topics,
    preflight,
)
from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError
from tools.kafka import Grant, KafkaServer, Operation, Resource, allow

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import MakeTopic

pytestmark = pytest.mark.kafka


@pytest.fixture
def connection(kafka: str) -> dict[str, Any]:
    """Return an aiokafka client's arguments for the plain broker."""
    return {"bootstrap_servers": kafka}


@pytest.fixture
def names(topic_name: Callable[[str], str]) -> TopicNames:
    """Return names of a deployment of its own."""
    return TopicNames(
        raw=topic_name("raw"),
        encrypted=topic_name("encrypted"),
        dead_letter=topic_name("dead-letter"),
        dead_letter_state=topic_name("dead-letter-state"),
        control=topic_name("control"),
    )


def differences(findings: list[Finding] | tuple[Finding, ...], topic: str) -> dict[str, tuple[str, str]]:
    """Return found and wanted by what is wrong with `topic`."""
    return {each.what: (each.found, each.wanted) for each in findings if each.topic == topic}


async def test_created_topics_are_found_right(connection: dict[str, Any], names: TopicNames) -> None:
    """What create makes, check must not complain about: else operators learn to ignore it."""
    done = await create_topics(connection, names, partitions=3)
    assert [plan.name for plan in done.created] == list(names.by_role().values())
    assert done.findings == ()
    assert await check_topics(connection, names) == []
    partitions = await preflight(
        connection, source=names.raw, outputs=[names.encrypted, names.dead_letter], control=names.control
    )
    assert partitions == {names.raw: 3, names.encrypted: 3, names.dead_letter: 3, names.control: 1}


async def test_creating_again_changes_nothing(connection: dict[str, Any], names: TopicNames) -> None:
    """The command is in start-up scripts: a second run is no error."""
    await create_topics(connection, names)
    done = await create_topics(connection, names, partitions=99)
    assert (done.created, done.findings) == ((), ())


async def test_topics_follow_a_raw_topic_that_is_there(
    connection: dict[str, Any], names: TopicNames, make_topic: MakeTopic
) -> None:
    """Partition p goes to partition p, and an event grows: the raw topic's numbers decide, not the defaults."""
    await make_topic(names.raw, 5, {"max.message.bytes": "3000000"})
    done = await create_topics(connection, names, partitions=2)
    made = {plan.name: plan for plan in done.created}
    assert made[names.encrypted].partitions == 5
    assert made[names.encrypted].settings["max.message.bytes"] == "6065536"
    assert made[names.dead_letter].settings["max.message.bytes"] == "3065536"
    assert done.findings == ()


async def test_check_names_every_difference_with_a_remedy(
    connection: dict[str, Any], names: TopicNames, make_topic: MakeTopic
) -> None:
    """Each of these would lose events, block the stream or keep a destroyed key, all without a word from Kafka."""
    await make_topic(names.raw, 4)
    log_append = {"cleanup.policy": "compact", "message.timestamp.type": "LogAppendTime"}
    await make_topic(names.encrypted, 2, log_append)
    await make_topic(names.control, 2, {"cleanup.policy": "delete"})
    await make_topic(names.dead_letter_state, 1, {"cleanup.policy": "compact,delete"})
    findings = await check_topics(connection, names, replication=1)
    assert differences(findings, names.raw) == {}
    assert differences(findings, names.encrypted) == {
        "partitions": ("2", f"4 or more, as many as {names.raw}"),
        "cleanup.policy": ("compact", "delete"),
        "message.timestamp.type": ("LogAppendTime", "CreateTime"),
        "max.message.bytes": ("1048588", "2162712 or more"),
    }
    assert differences(findings, names.control) == {
        "partitions": ("2", "1"),
        "cleanup.policy": ("delete", "compact"),
        "max.compaction.lag.ms": ("9223372036854775807", "3600000 or less"),
    }
    assert differences(findings, names.dead_letter_state) == {"cleanup.policy": ("compact,delete", "compact")}
    assert differences(findings, names.dead_letter) == {"topic": ("missing", "there")}
    assert all(finding.remedy and finding.weight is Weight.ERROR for finding in findings)


async def test_check_wants_the_replicas_it_is_told(connection: dict[str, Any], names: TopicNames) -> None:
    """One replica is right on a laptop and loses keys in production; only the operator knows which it is."""
    await create_topics(connection, names)
    findings = await check_topics(connection, names, replication=3)
    for name in names.by_role().values():
        assert differences(findings, name) == {
            "replication": ("1", "3 or more"),
            "min.insync.replicas": ("1", "2 or more"),
        }


async def test_create_says_that_brokers_are_missing(connection: dict[str, Any], names: TopicNames) -> None:
    """The broker's own text is about internals; the operator needs to hear what to do."""
    with pytest.raises(BrokerError) as caught:
        await create_topics(connection, names, replication=3)
    assert caught.value.reason == BrokerReason.TOPIC_SETTINGS
    assert "--replication" in caught.value.remedy


async def test_looking_creates_no_topic(names: TopicNames) -> None:
    """The stock question makes a broker with automatic creation create what it is asked about, wrongly set."""
    with KafkaServer(properties={"auto.create.topics.enable": "true"}) as server:
        connection = {"bootstrap_servers": server.bootstrap}
        for _ in range(2):
            findings = await check_topics(connection, names)
            assert {each.topic: each.found for each in findings} == dict.fromkeys(names.by_role().values(), "missing")
        with pytest.raises(BrokerError, match="there is no topic"):
            await preflight(connection, topics=[names.raw])


@pytest.mark.parametrize(
    ("partitions", "reason"),
    [
        pytest.param((2, 1, 1), BrokerReason.PARTITIONS, id="output with fewer partitions"),
        pytest.param((2, 2, 2), BrokerReason.PARTITIONS, id="control with two partitions"),
        pytest.param((2, 2, 0), BrokerReason.TOPIC_MISSING, id="control missing"),
        pytest.param((0, 2, 1), BrokerReason.TOPIC_MISSING, id="raw missing"),
    ],
)
async def test_preflight_refuses_unfit_topics(
    connection: dict[str, Any],
    names: TopicNames,
    make_topic: MakeTopic,
    partitions: tuple[int, int, int],
    reason: BrokerReason,
) -> None:
    """Faust would say Ready and idle, or send a partition's events where no reader expects them."""
    for name, count in zip((names.raw, names.encrypted, names.control), partitions, strict=True):
        if count:
            await make_topic(name, count)
    with pytest.raises(BrokerError) as caught:
        await preflight(connection, source=names.raw, outputs=[names.encrypted], control=names.control)
    assert caught.value.reason == reason
    assert caught.value.remedy


async def test_preflight_accepts_a_group_that_nobody_has_used(
    connection: dict[str, Any], topic_name: Callable[[str], str]
) -> None:
    """The very first group of a cluster must wait for the offsets topic, not be refused."""
    assert await preflight(connection, group=topic_name("group")) == {}


async def test_preflight_tells_refused_from_missing(kafka_secure: KafkaServer, names: TopicNames) -> None:
    """Without Describe a client waits for ever: the operator must hear which right is missing."""
    admin = kafka_secure.security.scram()
    await create_topics(admin, names, partitions=2)
    nobody = kafka_secure.security.scram("nobody")
    with pytest.raises(BrokerError) as topic_refused:
        await preflight(nobody, topics=[names.raw])
    assert topic_refused.value.reason == BrokerReason.TOPIC_REFUSED
    findings = await check_topics(nobody, names)
    assert {each.found for each in findings} == {"refused"}
    assert all("Describe" in each.remedy for each in findings)


async def test_preflight_needs_no_more_than_the_least_rights(kafka_secure: KafkaServer, names: TopicNames) -> None:
    """The enricher's documented rights must be enough, and a missing one on the group must be told, not waited for."""
    await create_topics(kafka_secure.security.scram(), names, partitions=2)
    connection = kafka_secure.security.scram("enricher")
    await allow(
        kafka_secure.security.scram(),
        Grant("enricher", Operation.READ, Resource.TOPIC, names.raw),
        Grant("enricher", Operation.WRITE, Resource.TOPIC, names.encrypted),
        Grant("enricher", Operation.WRITE, Resource.TOPIC, names.dead_letter),
        Grant("enricher", Operation.READ, Resource.TOPIC, names.control),
        Grant("enricher", Operation.READ, Resource.GROUP, "group-of-", prefix=True),
    )
    topics: dict[str, Any] = {
        "source": names.raw,
        "outputs": [names.encrypted, names.dead_letter],
        "control": names.control,
    }
    assert (await preflight(connection, group=f"group-of-{names.raw}", **topics))[names.raw] == 2
    with pytest.raises(BrokerError) as caught:
        await preflight(connection, group="another-group", **topics)
    assert caught.value.reason == BrokerReason.GROUP_REFUSED
    hidden = await check_topics(
        connection,
        TopicNames(
            raw=names.raw,
            encrypted=names.encrypted,
            dead_letter=names.dead_letter,
            dead_letter_state=names.control,
            control=names.control,
        ),
    )
    assert {(each.what, each.weight) for each in hidden} == {("settings", Weight.WARNING)}


async def test_creating_without_the_right_is_told(kafka_secure: KafkaServer, names: TopicNames) -> None:
    """Who may look and not create must hear that an operator is needed, not the broker's code."""
    await allow(
        kafka_secure.security.scram(),
        *(Grant("reader", Operation.DESCRIBE, Resource.TOPIC, name, prefix=True) for name in names.by_role().values()),
    )
    with pytest.raises(BrokerError, match="may not create") as caught:
        await create_topics(kafka_secure.security.scram("reader"), names)
    assert caught.value.reason == BrokerReason.TOPIC_REFUSED
    assert "operator" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"sasl_plain_password": "wrong"}, BrokerReason.CREDENTIALS, id="wrong password"),
        pytest.param({"sasl_plain_username": "stranger"}, BrokerReason.CREDENTIALS, id="unknown user"),
        pytest.param({"sasl_mechanism": "SCRAM-SHA-256"}, BrokerReason.CREDENTIALS, id="mechanism not offered"),
        pytest.param({"ssl_context": "other"}, BrokerReason.TLS, id="another authority"),
    ],
)
async def test_refused_connections_say_why(
    kafka_secure: KafkaServer, change: dict[str, Any], reason: BrokerReason
) -> None:
    """Stock clients say the same three words for all of these, and their log alone knows the cause."""
    import ssl  # noqa: PLC0415 - only here

    if change.get("ssl_context") == "other":
        change = {"ssl_context": ssl.create_default_context()}
    with pytest.raises(BrokerError) as caught:
        await preflight({**kafka_secure.security.scram(), **change})
    assert caught.value.reason == reason
    assert "wrong" not in str(caught.value).split()
    assert not caught.value.retryable


async def test_a_client_certificate_is_enough(kafka_secure: KafkaServer, names: TopicNames) -> None:
    """Mutual TLS is the other way in; the certificate's name is the user."""
    await create_topics(kafka_secure.security.mtls("admin"), names, partitions=1)
    assert await preflight(kafka_secure.security.mtls("admin"), topics=[names.raw]) == {names.raw: 1}


async def test_nobody_there_is_told_and_may_be_tried_again() -> None:
    """A broker that restarts is no reason to give up; a process must know the difference."""
    with pytest.raises(BrokerUnavailableError) as caught:
        await preflight({"bootstrap_servers": "127.0.0.1:1"}, topics=["any"])
    assert caught.value.reason == BrokerReason.UNREACHABLE
    assert caught.value.retryable


async def test_a_silent_broker_is_waited_for_only_so_long() -> None:
    """Something that accepts connections and says nothing, such as a wrong port, must not hold a start for ever."""
    held = []

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    silent = await asyncio.start_server(accept, "127.0.0.1")
    port = silent.sockets[0].getsockname()[1]
    began = time.monotonic()
    with pytest.raises(BrokerUnavailableError):
        await preflight({"bootstrap_servers": f"127.0.0.1:{port}"}, topics=["any"], timeout_s=0.5)
    assert time.monotonic() - began < 3
    for writer in held:
        writer.close()
    silent.close()

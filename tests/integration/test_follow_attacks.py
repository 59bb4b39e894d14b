"""The follower where the topic is not what it should be: missing, empty, cut in two, flooded, full of garbage."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.client.follow import ControlFollower
from aegis_stream.errors import (
    BrokerError,
    BrokerReason,
    BrokerUnavailableError,
    ManifestReason,
    ManifestRefusedError,
)
from tests.support.control_topic import (
    add_partition,
    make_topic,
    publish,
    transactional,
    until,
    write,
)
from tests.support.keyrings import OTHER_AGENT, Deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.keyring.keyring import Keyring

pytestmark = pytest.mark.kafka

TIMEOUT_S = 20.0


def now() -> dt.datetime:
    """Return the real time: the follower looks at the real clock."""
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment that begins now."""
    return Deployment(started=now())


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Return a control topic that is there and empty."""
    name = topic_name("control")
    await make_topic(kafka, name, cleanup_policy="compact")
    return name


def following(kafka: str, topic: str, keyring: Keyring, **options: Any) -> ControlFollower:  # noqa: ANN401 - any option
    """Return a follower, not yet entered."""
    return ControlFollower(keyring, connection={"bootstrap_servers": kafka}, topic=topic, **options)


async def test_missing_topic_is_told_at_once(
    kafka: str, deployment: Deployment, topic_name: Callable[[str], str]
) -> None:
    """Kafka's clients wait for ever on a topic that is not there."""
    async with following(kafka, topic_name("nowhere"), deployment.keyring()) as follower:
        with pytest.raises(BrokerError) as failure:
            await follower.wait_ready(TIMEOUT_S)
    assert failure.value.reason == BrokerReason.TOPIC_MISSING


async def test_topic_with_two_partitions_is_refused(
    kafka: str, deployment: Deployment, topic_name: Callable[[str], str]
) -> None:
    """Two partitions have no one order."""
    name = topic_name("control")
    await make_topic(kafka, name, partitions=2)
    async with following(kafka, name, deployment.keyring()) as follower:
        with pytest.raises(BrokerError) as failure:
            await follower.wait_ready(TIMEOUT_S)
    assert failure.value.reason == BrokerReason.PARTITIONS


async def test_second_partition_that_comes_later_changes_nothing(
    kafka: str, topic: str, deployment: Deployment
) -> None:
    """Whoever may alter the topic takes no manifest away from those who follow partition 0."""
    await publish(kafka, topic, deployment.first)
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        await add_partition(kafka, topic)
        await publish(kafka, topic, deployment.fresh(now()))
        await until(lambda: keyring.manifest == deployment.manifest)


async def test_empty_topic_is_told(kafka: str, topic: str, deployment: Deployment) -> None:
    """The operator forgot `aegis keys init`, and is told so."""
    async with following(kafka, topic, deployment.keyring()) as follower:
        with pytest.raises(BrokerError) as failure:
            await follower.wait_ready(TIMEOUT_S)
    assert failure.value.reason == BrokerReason.CONTROL_EMPTY
    assert "aegis keys init" in failure.value.remedy


async def test_garbage_alone_is_no_manifest(kafka: str, topic: str, deployment: Deployment) -> None:
    """Whatever else stands there, the operator is told what is missing."""
    await write(kafka, topic, [("garbage", b"x"), ("dek/x", b"x"), ("command/x", b"x")])
    async with following(kafka, topic, deployment.keyring()) as follower:
        with pytest.raises(BrokerError) as failure:
            await follower.wait_ready(TIMEOUT_S)
    assert failure.value.reason == BrokerReason.CONTROL_EMPTY


async def test_garbage_is_counted_and_does_no_harm(
    kafka: str, topic_name: Callable[[str], str], deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    """Anything may stand on the topic; nothing of it reaches a log."""
    caplog.set_level(logging.DEBUG, logger="aegis_stream")
    topic = topic_name("uncompacted")  # a broker takes records without a key only there
    await make_topic(kafka, topic)
    forged = deployment.sign(deployment.manifest, OTHER_AGENT)
    canary = b"CANARY-PLAINTEXT"
    await write(
        kafka,
        topic,
        [(None, canary), ("", canary), ("CANARY", canary), ("manifest", canary), ("manifest", None), ("dek/x", canary)],
    )
    await publish(kafka, topic, deployment.first)
    await write(
        kafka,
        topic,
        [("manifest", forged), ("manifest", canary), (deployment.first.writes[0][0], canary), ("command/x", canary)],
    )
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.manifest == deployment.manifest
        assert keyring.active() is not None
        assert keyring.refused == {ManifestReason.ENVELOPE: 6, ManifestReason.SIGNATURE: 1}
        await write(kafka, topic, [("manifest", canary)])
        await until(lambda: keyring.refused[ManifestReason.ENVELOPE] == 7)
    assert "CANARY" not in caplog.text
    assert "manifest envelope: not one strict JSON object" in caplog.text


async def test_key_that_is_no_text_is_garbage(kafka: str, topic: str, deployment: Deployment) -> None:
    """A key of arbitrary bytes must not stop the follower."""
    await publish(kafka, topic, deployment.first)
    async with transactional(kafka, "bytes") as producer, producer.transaction():
        await producer.send(topic, b"x", key=b"\xff\xfe", partition=0)
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.refused == {ManifestReason.ENVELOPE: 1}


async def test_last_refusal_says_why_there_is_no_manifest(kafka: str, topic: str, deployment: Deployment) -> None:
    """A wrong AEGIS_AGENT_PUBLIC_KEY must not look like an empty topic."""
    await publish(kafka, topic, deployment.first)
    keyring = deployment.keyring(pinned=[OTHER_AGENT])
    async with following(kafka, topic, keyring) as follower:
        with pytest.raises(ManifestRefusedError) as refused:
            await follower.wait_ready(TIMEOUT_S)
    assert refused.value.reason == ManifestReason.SIGNATURE


async def test_replayed_expired_manifest_is_refused_by_newcomers(kafka: str, topic: str) -> None:
    """Without a fresh manifest nothing is taken, and the message names agent and clock."""
    old = Deployment(started=now() - dt.timedelta(hours=2))
    await publish(kafka, topic, old.first)
    async with following(kafka, topic, old.keyring()) as follower:
        with pytest.raises(ManifestRefusedError) as refused:
            await follower.wait_ready(TIMEOUT_S)
    assert refused.value.reason == ManifestReason.EXPIRED
    assert "aegis run rotator" in refused.value.remedy


async def test_flooded_records_are_searched_again(kafka: str, topic: str, deployment: Deployment) -> None:
    """Five foreign values between the record and its manifest cost one more read and no key."""
    key, value = deployment.first.writes[0]
    await write(kafka, topic, [(key, value), *((key, b"garbage %d" % number) for number in range(5))])
    await write(kafka, topic, [deployment.first.writes[-1]])
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.missing() == ()
        assert keyring.active() is not None
        change = deployment.rotate(now())
        key, value = change.writes[0]
        await write(kafka, topic, [(key, value), *((key, b"garbage %d" % number) for number in range(5))])
        await write(kafka, topic, [change.writes[-1]])
        await until(lambda: keyring.manifest == change.manifest and keyring.active() is not None)


async def test_record_that_is_nowhere_is_searched_once(kafka: str, topic: str, deployment: Deployment) -> None:
    """A lost record must not make the follower read in circles; it is still ready for the other versions."""
    await write(kafka, topic, [deployment.first.writes[-1]])
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.missing() == (deployment.active,)
        await follower.refresh(TIMEOUT_S)
        await write(kafka, topic, [deployment.first.writes[0]])
        await until(lambda: keyring.active() is not None)


async def test_unreachable_broker_is_told(deployment: Deployment) -> None:
    """Nobody listens there; the impatient learn it within seconds."""
    async with following("127.0.0.1:1", "aegis.control", deployment.keyring()) as follower:
        with pytest.raises(BrokerUnavailableError) as failure:
            await follower.wait_ready(TIMEOUT_S)
        assert failure.value.reason == BrokerReason.UNREACHABLE
        with pytest.raises(BrokerUnavailableError):
            await follower.refresh(0.5)

"""The rotation agent on a real broker: fresh manifests, and what it refuses to go on from."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.client.follow import ControlFollower
from aegis_stream.errors import (
    BrokerError,
    BrokerReason,
    BrokerUnavailableError,
    ConfigurationError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.entries import AgentEntry, KeyState
from aegis_stream.keyring.state_file import KnownSequence, KnownState, StateFile
from tests.support.control_topic import make_topic, publish, read_all, until
from tests.support.keyrings import AGENT, OTHER_AGENT, Deployment
from tests.support.rotator_process import manifests
from topologies.rotation_agent import RotationAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

TIMEOUT_S = 20.0


def now() -> dt.datetime:
    """Return the real time."""
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def deployment(topic_name: Callable[[str], str]) -> Deployment:
    """Return a deployment that begins now, with a name (and so a transactional id) of its own."""
    return Deployment(name=topic_name("d"), started=now())


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Return a control topic that is there and empty."""
    name = topic_name("control")
    await make_topic(kafka, name, cleanup_policy="compact")
    return name


@pytest.fixture
def state(tmp_path: Path, deployment: Deployment) -> StateFile:
    """Return the agent's state file."""
    return StateFile(tmp_path / "agent.json", deployment=deployment.name)


def agent_for(
    kafka: str,
    topic: str,
    deployment: Deployment,
    state: StateFile,
    **options: Any,  # noqa: ANN401 - any option
) -> RotationAgent:
    """Return an agent, not yet run."""
    return RotationAgent(
        **{
            "deployment": deployment.name,
            "signer": AGENT,
            "connection": {"bootstrap_servers": kafka},
            "topic": topic,
            "state_file": state,
            **options,
        }
    )


@contextlib.asynccontextmanager
async def running(agent: RotationAgent) -> AsyncIterator[asyncio.Task[None]]:
    """Run an agent until the block ends; a failure of its own fails the test."""
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait_for(task, TIMEOUT_S)


async def refusal(agent: RotationAgent) -> BaseException:
    """Run an agent that must refuse to start."""
    with pytest.raises((BrokerError, ConfigurationError, ManifestRefusedError)) as refused:
        await asyncio.wait_for(agent.run(asyncio.Event()), TIMEOUT_S)
    return refused.value


async def test_agent_signs_fresh_manifests(kafka: str, topic: str, deployment: Deployment, state: StateFile) -> None:
    """One at once and one every interval, that say the same and live an hour; followers take each."""
    await publish(kafka, topic, deployment.first)
    keyring = deployment.keyring()
    async with (
        ControlFollower(keyring, connection={"bootstrap_servers": kafka}, topic=topic) as follower,
        running(agent_for(kafka, topic, deployment, state, interval_s=0.3)),
    ):
        await follower.wait_ready(TIMEOUT_S)
        await until(lambda: keyring.manifest is not None and keyring.manifest.sequence >= 4)
        assert keyring.refused.total() == 0
        assert keyring.generation == 1
    published = await manifests(kafka, topic)
    assert [manifest.sequence for manifest in published] == list(range(1, len(published) + 1))
    assert all(manifest.substance() == deployment.manifest.substance() for manifest in published)
    assert all(manifest.expires_at - manifest.issued_at == dt.timedelta(hours=1) for manifest in published)
    known = state.load()
    assert known.intended is None
    assert known.published is not None
    assert known.published.sequence == published[-1].sequence


async def test_agent_goes_on_from_an_expired_manifest(kafka: str, topic: str, state: StateFile) -> None:
    """After an outage longer than a manifest's life, the agent alone takes the old one, to replace it."""
    old = Deployment(name=state._deployment, started=now() - dt.timedelta(days=3))
    await publish(kafka, topic, old.first)
    async with running(agent_for(kafka, topic, old, state)):
        keyring = old.keyring()
        async with ControlFollower(keyring, connection={"bootstrap_servers": kafka}, topic=topic) as follower:
            await until(lambda: keyring.manifest is not None)
            await follower.wait_ready(TIMEOUT_S)


async def test_empty_topic_is_refused(kafka: str, topic: str, deployment: Deployment, state: StateFile) -> None:
    """Only `keys init` writes sequence 1; an agent on an empty topic would make a second keyring."""
    refused = await refusal(agent_for(kafka, topic, deployment, state))
    assert isinstance(refused, BrokerError)
    assert refused.reason == BrokerReason.CONTROL_EMPTY
    assert await read_all(kafka, topic) == []


async def test_lost_topic_is_refused(kafka: str, topic: str, deployment: Deployment, state: StateFile) -> None:
    """The state file knows that there was one."""
    state.store(KnownState(KnownSequence(5, "0" * 64)))
    refused = await refusal(agent_for(kafka, topic, deployment, state))
    assert isinstance(refused, ManifestRefusedError)
    assert refused.reason == ManifestReason.SEQUENCE
    assert "keys restore" in refused.remedy


async def test_rolled_back_topic_is_refused_until_it_is_accepted(
    kafka: str, topic: str, deployment: Deployment, state: StateFile
) -> None:
    """A rollback would undo a revocation; who accepts one says at which sequence the topic stands."""
    await publish(kafka, topic, deployment.first)
    state.store(KnownState(KnownSequence(5, "0" * 64), KnownSequence(6, "1" * 64)))
    refused = await refusal(agent_for(kafka, topic, deployment, state))
    assert isinstance(refused, ManifestRefusedError)
    assert "below sequence 5" in str(refused)
    wrong = await refusal(agent_for(kafka, topic, deployment, state, accept_rollback=4))
    assert isinstance(wrong, ConfigurationError)
    assert "has sequence 1, not 4" in str(wrong)
    agent = agent_for(kafka, topic, deployment, state, accept_rollback=1)
    async with running(agent):
        await until(lambda: agent.published == 1)
    assert [manifest.sequence for manifest in await manifests(kafka, topic)] == [1, 7]


async def test_manifest_of_another_content_at_the_known_sequence_is_refused(
    kafka: str, topic: str, deployment: Deployment, state: StateFile
) -> None:
    """A topic made anew with as many manifests is not the one that this agent left."""
    await publish(kafka, topic, deployment.first)
    state.store(KnownState(KnownSequence(1, "0" * 64)))
    refused = await refusal(agent_for(kafka, topic, deployment, state))
    assert isinstance(refused, ManifestRefusedError)
    assert refused.reason == ManifestReason.SEQUENCE


@pytest.mark.parametrize("published", [True, False], ids=["after publishing", "before publishing"])
async def test_agent_killed_around_publishing_goes_on(
    kafka: str,
    topic: str,
    deployment: Deployment,
    state: StateFile,
    published: bool,  # noqa: FBT001 - a case table
) -> None:
    """Killed before or after the commit, with the state file saying that it was about to: no sequence is used twice."""
    second = deployment.maker.fresh(deployment.manifest, now=now())
    await publish(kafka, topic, deployment.first, *([second] if published else []))
    state.store(KnownState(deployment.first.known, second.known))
    agent = agent_for(kafka, topic, deployment, state)
    async with running(agent):
        await until(lambda: agent.published == 1)
    assert [manifest.sequence for manifest in await manifests(kafka, topic)] == ([1, 2, 3] if published else [1, 3])


async def test_state_is_on_disk_before_the_manifest_is_on_the_topic(
    kafka: str, topic: str, deployment: Deployment, state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manifest that the agent forgets could be rolled back unnoticed."""
    await publish(kafka, topic, deployment.first)
    seen: list[KnownState] = []
    real = ControlWriter.write

    async def write_noting(writer: ControlWriter, records: Any) -> list[int]:  # noqa: ANN401 - passed on
        seen.append(StateFile(state.path, deployment=deployment.name).load())
        return await real(writer, records)

    monkeypatch.setattr(ControlWriter, "write", write_noting)
    agent = agent_for(kafka, topic, deployment, state)
    async with running(agent):
        await until(lambda: agent.published == 1)
    assert [(known.published, known.intended and known.intended.sequence) for known in seen] == [(None, 2)]


async def test_state_that_cannot_be_written_stops_the_agent(
    kafka: str, topic: str, deployment: Deployment, state: StateFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It publishes nothing that it could not remember."""
    await publish(kafka, topic, deployment.first)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    refused = await refusal(agent_for(kafka, topic, deployment, state))
    assert isinstance(refused, ConfigurationError)
    assert len(await manifests(kafka, topic)) == 1


async def test_other_signing_key_is_refused(kafka: str, topic: str, deployment: Deployment, state: StateFile) -> None:
    """A key that no follower pins, or that the manifest has retired, would publish in vain."""
    await publish(kafka, topic, deployment.first)
    options = {"signer": OTHER_AGENT, "agent_keys": [AGENT.public]}
    refused = await refusal(agent_for(kafka, topic, deployment, state, **options))
    assert isinstance(refused, ConfigurationError)
    assert OTHER_AGENT.key_id in str(refused)
    agents = (AgentEntry(AGENT.public, KeyState.RETIRED), AgentEntry(OTHER_AGENT.public, KeyState.CURRENT))
    await publish(kafka, topic, deployment.amend(now(), agents=agents))
    assert isinstance(await refusal(agent_for(kafka, topic, deployment, state)), ConfigurationError)


async def test_unreachable_broker_is_no_reason_to_end(deployment: Deployment, state: StateFile) -> None:
    """The agent says that trying again may help; the process does."""
    with pytest.raises(BrokerUnavailableError):
        await agent_for("127.0.0.1:1", "aegis.control", deployment, state).run(asyncio.Event())

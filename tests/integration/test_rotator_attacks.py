"""The rotation agent against whoever writes over its records, and against a twin."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gc
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.errors import (
    BrokerError,
    BrokerReason,
)
from aegis_stream.keyring.state_file import StateFile
from tests.support.control_topic import make_topic, publish, read_all, until, write
from tests.support.keyrings import AGENT, OTHER_AGENT, Deployment
from tests.support.rotator_process import manifests
from topologies.rotation_agent import RotationAgent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
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


async def test_overwritten_records_are_put_right(
    kafka: str, topic: str, deployment: Deployment, state: StateFile
) -> None:
    """Whatever an attacker leaves as the newest value, a tombstone too, compaction would keep; so the agent answers."""
    await publish(kafka, topic, deployment.first, deployment.rotate(now()))
    (first_key, first_value), (second_key, second_value) = deployment.first.writes[0], ("", b"")
    second_key = f"dek/{deployment.active}"
    second_value = deployment.records[deployment.active].to_bytes()
    agent = agent_for(kafka, topic, deployment, state)
    forged = deployment.sign(deployment.manifest, OTHER_AGENT)
    attacks: list[tuple[str | None, bytes | None]] = [
        ("manifest", forged),
        ("manifest", None),
        (first_key, None),
        (second_key, b"garbage"),
        ("dek/dek-v9-20260101", b"nobody names this"),
        ("command/x", b"not the agent's"),
        ("manifest", deployment.first.writes[-1][1]),
    ]
    async with running(agent):
        await until(lambda: agent.published == 1)
        in_force = agent.keyring.view.value
        genuine = {"manifest": in_force, first_key: first_value, second_key: second_value}
        for attack in attacks:
            await write(kafka, topic, [attack])
        await until(lambda: set(agent.overwritten) == set(genuine))
        for _ in range(100):
            newest = dict(await read_all(kafka, topic))
            if {key: newest[key] for key in genuine} == genuine:
                break
            await asyncio.sleep(0.05)
    assert {key: newest[key] for key in genuine} == genuine
    assert newest["dek/dek-v9-20260101"] == b"nobody names this"
    assert newest["command/x"] == b"not the agent's"


async def test_records_overwritten_while_the_agent_was_away_are_put_right(
    kafka: str, topic: str, deployment: Deployment, state: StateFile
) -> None:
    """The attacker waits for an outage; the genuine record is still among the last values."""
    key, value = deployment.first.writes[0]
    await publish(kafka, topic, deployment.first)
    await write(kafka, topic, [(key, b"garbage"), (key, None)])
    agent = agent_for(kafka, topic, deployment, state)
    async with running(agent):
        await until(lambda: agent.overwritten[key] == 1)
    assert dict(await read_all(kafka, topic))[key] == value


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect garbage once a test is over.

    aiokafka forgets a future of a fenced producer, and asyncio complains of it when it is collected.  Its traceback is
    made by parsing source, which ends a Python 3.11 that is just parsing something else at that moment.
    """
    yield
    gc.collect()


@pytest.mark.usefixtures("collected")
async def test_stalled_twin_is_fenced(kafka: str, topic: str, deployment: Deployment, state: StateFile) -> None:
    """Two agents would sign two manifests of one sequence; the older one's write is refused and it ends."""
    await publish(kafka, topic, deployment.first)
    twin = StateFile(state.path.with_name("twin.json"), deployment=deployment.name)
    stalled = agent_for(kafka, topic, deployment, state, interval_s=1.0)
    task = asyncio.create_task(stalled.run(asyncio.Event()))
    await until(lambda: stalled.published >= 1)
    agent = agent_for(kafka, topic, deployment, twin, interval_s=60.0)
    async with running(agent):
        with pytest.raises(BrokerError) as fenced:
            await asyncio.wait_for(task, TIMEOUT_S)
        assert fenced.value.reason == BrokerReason.FENCED
        await until(lambda: agent.published == 1)
    sequences = [manifest.sequence for manifest in await manifests(kafka, topic)]
    assert sequences == sorted(set(sequences))

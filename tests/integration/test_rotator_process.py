"""`run_rotator` in a process of its own: signals, exit codes and what its log must not hold."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import signal
from typing import TYPE_CHECKING

import pytest

from aegis_stream.client.control_writer import ControlWriter
from tests.support.control_topic import make_topic, publish
from tests.support.keyrings import AGENT, Deployment
from tests.support.rotator_process import RotatorProcess, manifests, until_manifests
from topologies.rotate_deks import EXIT_FENCED, EXIT_REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


pytestmark = pytest.mark.kafka

TIMEOUT_S = 20.0


@pytest.fixture
def deployment(topic_name: Callable[[str], str]) -> Deployment:
    """Return a deployment that begins now, with a name (and so a transactional id) of its own."""
    return Deployment(name=topic_name("d"), started=dt.datetime.now(dt.UTC))


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Return a control topic that is there and empty."""
    name = topic_name("control")
    await make_topic(kafka, name, cleanup_policy="compact")
    return name


async def test_process_stops_on_sigterm_and_survives_sigkill(
    kafka: str, topic: str, deployment: Deployment, tmp_path: Path
) -> None:
    """Killed at any point it goes on from the topic; asked to stop it stops with 0 and leaves no secret in its log."""
    await publish(kafka, topic, deployment.first)
    async with RotatorProcess(kafka, topic, deployment, tmp_path) as killed:
        await until_manifests(kafka, topic, 2)
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
    before = len(await manifests(kafka, topic))
    async with RotatorProcess(kafka, topic, deployment, tmp_path) as process:
        await until_manifests(kafka, topic, before + 2)
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0
    sequences = [manifest.sequence for manifest in await manifests(kafka, topic)]
    assert sequences == sorted(set(sequences))
    assert b'"event": "published"' in log
    for secret in (base64.b64encode(AGENT.export()), AGENT.export().hex().encode()):
        assert secret not in log


async def test_process_says_why_it_ends(kafka: str, topic: str, deployment: Deployment, tmp_path: Path) -> None:
    """An empty topic is for an operator to look at, and no reason to start again at once."""
    async with RotatorProcess(kafka, topic, deployment, tmp_path) as process:
        _, log = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == EXIT_REFUSED
    assert b"there is no manifest" in log
    assert b"aegis keys init" in log


async def test_fenced_process_ends_with_a_code_of_its_own(
    kafka: str, topic: str, deployment: Deployment, tmp_path: Path
) -> None:
    """So that a supervisor does not start the two against each other."""
    await publish(kafka, topic, deployment.first)
    async with RotatorProcess(kafka, topic, deployment, tmp_path) as process:
        await until_manifests(kafka, topic, 2)
        async with ControlWriter({"bootstrap_servers": kafka}, topic, deployment=deployment.name):
            await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == EXIT_FENCED

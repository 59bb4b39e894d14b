"""The rotation agent while its broker dies."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from tests.support.control_topic import make_topic, publish
from tests.support.keyrings import Deployment
from tests.support.rotator_process import RotatorProcess, manifests, until_manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.kafka import RestartableBroker

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

TIMEOUT_S = 20.0


async def test_agent_outlives_a_broker_restart(
    kafka_server: RestartableBroker, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """A broker that goes away and comes back costs no manifest's life."""
    deployment = Deployment(name=topic_name("d"), started=dt.datetime.now(dt.UTC))
    kafka, topic = kafka_server.bootstrap, topic_name("control")
    await make_topic(kafka, topic)
    await publish(kafka, topic, deployment.first)
    async with RotatorProcess(kafka, topic, deployment, tmp_path):
        await until_manifests(kafka, topic, 2)
        await asyncio.to_thread(kafka_server.restart, hard=True)
        before = len(await manifests(kafka, topic))
        await until_manifests(kafka, topic, before + 2)

"""The rotation agent's schedule on a real broker, and a twin that was stalled."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control import Outcome
from aegis_stream.control.arguments import RotateDek
from aegis_stream.encryption import RotationSchedule
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.state_file import StateFile
from tests.support.control_topic import make_topic, publish, until
from tests.support.rotation import TIMEOUT_S, Rotation, utc_now, with_custodians
from tests.support.rotator_process import RotatorProcess, until_manifests
from topologies.rotate_deks import EXIT_FENCED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka


async def test_dates_missed_in_a_year_are_made_up_by_one_rotation(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """At the agent's start; and after another restart there is nothing left to make up."""
    name = topic_name("d")
    deployment, second = with_custodians(name[:100], started=utc_now() - dt.timedelta(days=400))
    await make_topic(kafka, name, cleanup_policy="compact")
    await publish(kafka, name, deployment.first, second)
    state = StateFile(tmp_path / "agent.json", deployment=deployment.name)
    rotation = Rotation(kafka, name, deployment, state)
    for _ in range(2):
        agent = rotation.agent(schedule=RotationSchedule.parse("quarterly", jitter_s=60), interval_s=0.2)
        stop = asyncio.Event()
        task = asyncio.create_task(agent.run(stop))
        await until(lambda agent=agent: agent.published >= 4)
        stop.set()
        await asyncio.wait_for(task, TIMEOUT_S)
        assert agent.keyring.manifest is not None
        assert [entry.state for entry in agent.keyring.manifest.deks] == [DekState.DECRYPT_ONLY, DekState.ACTIVE]


async def test_interval_counts_from_the_last_rotation_whoever_asked_for_it(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """So a rotation by command puts the next one off, and the agent rotates without anything coming in."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation:
        async with rotation.running(schedule=RotationSchedule.parse("2s")):
            asked = (await rotation.ask(RotateDek())).active_version
            assert asked is not None
            await until(lambda: rotation.manifest.active.version.n >= asked.n + 2)
        made = {entry.version.n: entry.created_at for entry in rotation.manifest.deks}
    assert all(made[n + 1] - made[n] >= dt.timedelta(seconds=2) for n in (asked.n, asked.n + 1))


async def test_stalled_twin_is_fenced_and_carries_nothing_out_again(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """It wakes up behind the command and its answer, and before it has read them its writer is refused."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation:
        (tmp_path / "twin").mkdir()
        async with RotatorProcess(kafka, rotation.topic, rotation.deployment, tmp_path / "twin") as twin:
            await until_manifests(kafka, rotation.topic, 3)
            twin.send_signal(signal.SIGSTOP)
            async with rotation.running():
                answer = await rotation.answer(await rotation.give(rotation.command(RotateDek())))
                twin.send_signal(signal.SIGCONT)
                await asyncio.wait_for(twin.communicate(), TIMEOUT_S)
                again = await rotation.ask(RotateDek())
        assert twin.returncode == EXIT_FENCED
        assert answer.outcome is Outcome.EXECUTED
        assert [len(results) for results in rotation.results.values()] == [1, 1]
        assert again.sequence > answer.sequence
        assert len(rotation.manifest.deks) == 3

"""Kill the rotation agent at every point of a change, start another, and look at everything it left."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from aegis_stream.encryption import RotationSchedule
from aegis_stream.errors import ManifestRefusedError
from aegis_stream.keyring.dek_record import record_sha256
from aegis_stream.wire import b64encode
from tests.support.control_topic import read_all, until
from tests.support.keyrings import AGENT
from tests.support.killed_agent import FRESH, HEAL, SERVE
from tests.support.rotation import TIMEOUT_S, Rotation, utc_now
from tests.support.rotator_process import manifests

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.killed_agent import KilledAgents
    from tests.support.rotation_changes import Change

MOST_POINTS = 40


async def kill_at_every_point(
    kafka: str, topic_name: Callable[[str], str], folder: Path, agents: KilledAgents, change: Change
) -> int:
    """Do it; returns how many points there were.  Each has a deployment of its own."""
    for at in range(1, MOST_POINTS):
        place = folder / f"{change.name}-{at}"
        place.mkdir()
        async with await Rotation.begin(kafka, topic_name("r"), place) as rotation:
            command_id = await change.give(rotation)
            environment = {**environment_of(rotation), **dict(change.environment)}
            if not await agents.killed(environment, at=at, what=what_of(change)):
                assert at > 1
                return at - 1
            await recover(rotation, change, command_id)
            await check_topic(rotation)
    raise AssertionError(f"more than {MOST_POINTS} points")


def environment_of(rotation: Rotation) -> dict[str, str]:
    """Return what the agent's process is told."""
    name = rotation.deployment.name
    assert rotation.state.path.name == f"{name}.agent.json"
    return {
        "AEGIS_BROKER": rotation.kafka,
        "AEGIS_DEPLOYMENT": name,
        "AEGIS_TOPIC_CONTROL": rotation.topic,
        "AEGIS_STATE_DIR": str(rotation.state.path.parent),
        "AEGIS_AGENT_SIGNING_KEY": b64encode(AGENT.export()),
        "AEGIS_ROTATION_INTERVAL": "off",
    }


def what_of(change: Change) -> str:
    """Return what of the agent's work is the change."""
    if change.heals:
        return HEAL
    return FRESH if change.name == "fresh" else SERVE


async def recover(rotation: Rotation, change: Change, command_id: str | None) -> None:
    """Start an agent and wait until it has done whatever was left to do; then it has been done once."""
    before = rotation.state.load().highest_sequence
    options = {}
    if change.environment:
        overdue = rotation.deployment.manifest.active.created_at
        options["schedule"] = RotationSchedule(0, utc_now() - overdue)
    async with rotation.running(**options) as agent:
        if command_id is not None:
            answer = await rotation.answer(command_id)
            assert (answer.outcome, answer.reason) == (change.outcome, change.reason), answer
        await until(lambda: change.reached(rotation.manifest))
        assert agent.keyring.manifest is not None
        assert agent.keyring.manifest.sequence > before
        await until(lambda: rotation.manifest == agent.keyring.manifest)
        if not change.heals:
            assert agent.overwritten == {}
        await until_records_stand_last(rotation)
    if command_id is not None:
        assert len(rotation.results[command_id]) == 1


async def until_records_stand_last(rotation: Rotation) -> None:
    """Wait until under each DEK's key nothing stands behind the record that the manifest names."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            newest = dict(await read_all(rotation.kafka, rotation.topic))
            named = {f"dek/{entry.version}": entry.record_sha256 for entry in rotation.manifest.deks}
            if {key: record_sha256(newest[key] or b"") for key in named} == named:
                return
            await asyncio.sleep(0.1)


async def check_topic(rotation: Rotation) -> None:
    """Look at every committed record: whole changes, no sequence twice, and the state file at the end of it."""
    sequences = [manifest.sequence for manifest in await manifests(rotation.kafka, rotation.topic)]
    assert sequences == sorted(set(sequences))
    newcomer = rotation.deployment.keyring()
    records = await read_all(rotation.kafka, rotation.topic)
    for key, value in records:
        with contextlib.suppress(ManifestRefusedError):
            if newcomer.offer(key, value, now=utc_now()):
                assert newcomer.missing() == ()
    assert newcomer.refused.total() == 0
    assert newcomer.manifest == rotation.manifest
    known = rotation.state.load()
    assert known.intended is None
    assert known.published is not None
    last = next(value for key, value in reversed(records) if key == "manifest" and value is not None)
    assert (known.published.sequence, known.published.sha256) == (sequences[-1], record_sha256(last))
    rewraps = {key: value for key, value in records if key.startswith("rewrap/")}
    assert all(value is None for value in rewraps.values())

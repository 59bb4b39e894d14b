"""The rotation agent's process: what it needs, how it waits, and how it ends."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import (
    AegisError,
    BrokerError,
    BrokerReason,
    BrokerUnavailableError,
    ConfigurationError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.settings import Settings, load_settings
from tests.support.keyrings import AGENT
from topologies import rotate_deks
from topologies.rotate_deks import EXIT_CONFIGURATION, EXIT_FENCED, EXIT_REFUSED, build_rotation_agent, run_agent
from topologies.rotation_agent import RotationAgent
from topologies.worker import EXIT_STOPPED

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Return the settings of an agent whose broker nobody answers for."""
    monkeypatch.setenv("AEGIS_BROKER", "127.0.0.1:1")
    monkeypatch.setenv("AEGIS_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("AEGIS_AGENT_SIGNING_KEY", base64.b64encode(AGENT.export()).decode())
    return load_settings()


def test_agent_needs_its_signing_key(settings: Settings) -> None:
    """Said with the variable's name, before anything is connected."""
    with pytest.raises(ConfigurationError, match="AEGIS_AGENT_SIGNING_KEY"):
        build_rotation_agent(settings.model_copy(update={"agent_signing_key": None}))


def test_agent_needs_a_broker(settings: Settings) -> None:
    """The same for the broker."""
    with pytest.raises(ConfigurationError, match="AEGIS_BROKER"):
        build_rotation_agent(settings.model_copy(update={"broker": ""}))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), EXIT_CONFIGURATION),
        (ManifestRefusedError(ManifestReason.SEQUENCE, "x"), EXIT_REFUSED),
        (BrokerError(BrokerReason.CONTROL_EMPTY, "x"), EXIT_REFUSED),
        (BrokerError(BrokerReason.FENCED, "x"), EXIT_FENCED),
    ],
)
async def test_ends_have_codes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, error: AegisError, code: int
) -> None:
    """A supervisor knows from the code whether to start it again at once, later, or not without a person."""

    async def fail(_agent: RotationAgent, _stop: asyncio.Event) -> None:
        raise error

    monkeypatch.setattr(RotationAgent, "run", fail)
    assert await run_agent(settings, asyncio.Event()) == code


async def test_agent_waits_for_kafka_and_forgets_what_was_accepted(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lives follow each other; a rollback is accepted until the first manifest is published, and never again."""
    monkeypatch.setattr(rotate_deks, "FIRST_PAUSE_S", 0.001)
    stop = asyncio.Event()
    lives: list[int | None] = []

    async def live(agent: RotationAgent, _stop: asyncio.Event) -> None:
        lives.append(agent._accept_rollback)
        if len(lives) == 4:
            stop.set()
        raise BrokerUnavailableError(BrokerReason.UNREACHABLE, "away")

    monkeypatch.setattr(RotationAgent, "run", live)
    monkeypatch.setattr(RotationAgent, "published", property(lambda _: len(lives) - 1))
    assert await run_agent(settings, stop, accept_rollback=7) == EXIT_STOPPED
    assert lives == [7, 7, None, None]


async def test_agent_stops_while_it_waits_for_kafka(settings: Settings) -> None:
    """SIGTERM during an outage of the broker is no reason to wait for it."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_agent(settings, stop))
    await asyncio.sleep(0.2)
    stop.set()
    assert await asyncio.wait_for(task, 15) == EXIT_STOPPED


def test_state_file_is_the_deployments_own(settings: Settings, tmp_path: Path) -> None:
    """One file a deployment, in AEGIS_STATE_DIR; a damaged one is no reason to go on without it."""
    build_rotation_agent(settings)
    (tmp_path / "aegis.agent.json").write_text("damaged")
    with pytest.raises(ConfigurationError, match=r"aegis\.agent\.json"):
        build_rotation_agent(settings)
    build_rotation_agent(settings.model_copy(update={"deployment": "other"}))

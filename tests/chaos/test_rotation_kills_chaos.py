"""The rotation agent killed by SIGKILL between any two writes of every other kind of change."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.killed_agent import KilledAgents
from tests.support.rotation_changes import OTHERS, ROTATE_KEK, Change
from tests.support.rotation_kills import kill_at_every_point

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

CHANGES = [ROTATE_KEK, *OTHERS] if os.environ.get("AEGIS_CHAOS") == "long" else [ROTATE_KEK]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_agent_killed_at_any_point_of_a_change_leaves_it_whole(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path, change: Change
) -> None:
    """Done once or not yet begun, never half, whatever the state file said by then."""
    async with KilledAgents(tmp_path / "agents.log") as agents:
        assert await kill_at_every_point(kafka, topic_name, tmp_path, agents, change) > 0

"""The rotation agent killed by SIGKILL between any two writes of a rotation: the next one goes on rightly.

The other kinds of change are in tests/chaos/test_rotation_kills_chaos.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.killed_agent import KilledAgents
from tests.support.rotation_changes import ROTATE_DEK
from tests.support.rotation_kills import kill_at_every_point

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka


async def test_agent_killed_at_any_point_of_a_rotation_leaves_it_whole(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Done once or not yet begun, never half, whatever the state file said by then."""
    async with KilledAgents(tmp_path / "agents.log") as agents:
        points = await kill_at_every_point(kafka, topic_name, tmp_path, agents, ROTATE_DEK)
    assert points == 3 + 3 + 3, "three at each store of the state file, and one after each record"

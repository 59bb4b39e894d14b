"""Many rotations, a KEK rewrap and an emergency while events flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.rotation import measure

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


async def test_no_event_fails_is_lost_or_late_in_many_rotations(
    kafka: str,
    tmp_path: Path,
    long_chaos: bool,  # noqa: FBT001 - a fixture
) -> None:
    """And each is obeyed in time, the slowest too."""
    rotations = 100 if long_chaos else 20
    latency, passage = await measure(kafka, tmp_path, rotations=rotations)
    assert passage.holds, passage
    assert latency.holds, latency
    assert latency.figures["rotations"] == rotations + 1

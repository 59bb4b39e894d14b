"""Keys rotate while events flow, on a real broker and with real processes; the long form is a chaos test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.rotation import measure

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]  # with the long trials, outside `make test`

LATE_MS = 5_000
"""The benchmark asks for less; here other work may be on the machine."""


async def test_no_event_fails_or_is_lost_while_keys_rotate(kafka: str, tmp_path: Path) -> None:
    """Twenty rotations, a KEK rewrap and an emergency through two enrichers and two readers, obeyed within a second."""
    latency, passage = await measure(kafka, tmp_path, rotations=20, pause_s=0.05)
    assert passage.figures["failed"] == 0
    assert passage.figures["lost"] == 0
    assert float(passage.figures["latest_ms"]) < LATE_MS
    assert latency.figures["rotations"] == 20 + 1
    assert float(latency.figures["median_ms"]) < 1_000

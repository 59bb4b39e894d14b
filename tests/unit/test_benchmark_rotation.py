"""The judgement of a measured rotation: what would be a failure is called one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.rotating import Rotated, RotatingDeployment, Traffic
from benchmarks.rotation import latency, passage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def deployment(tmp_path: Path) -> RotatingDeployment:
    """Return a deployment that was not started, as if ten events had gone through, DEK 2 from the sixth on."""
    deployment = RotatingDeployment("127.0.0.1:1", tmp_path, per_second=10)
    for number in range(10):
        deployment.traffic.acknowledged[number] = float(number)
        for seen in deployment.traffic.seen:
            seen[number] = (number + 0.1, 1 if number < 5 else 2)
    deployment.rotated = [Rotated("rotate-dek", 4.9, 2)]
    return deployment


def test_good_run_holds(deployment: RotatingDeployment) -> None:
    """Its figures are the times that were seen."""
    assert passage(deployment).holds
    measured = latency(deployment)
    assert measured.holds
    assert measured.figures["median_ms"] == 200.0
    assert measured.figures["last_event_under_the_old_dek_max_ms"] == 200.0


def test_event_that_one_reader_lacks_is_lost(deployment: RotatingDeployment) -> None:
    """Both must have it."""
    del deployment.traffic.seen[1][3]
    assert deployment.traffic.lost == 1
    assert not passage(deployment).holds


def test_event_that_was_refused_has_failed(deployment: RotatingDeployment) -> None:
    """Whatever the reason."""
    deployment.traffic.refused["tag"] += 1
    assert not passage(deployment).holds


def test_late_event_is_late_unless_it_waited_for_the_start(deployment: RotatingDeployment) -> None:
    """What was sent before the enrichers had started had to wait for them."""
    deployment.traffic.seen[0][2] = (60.0, 1)
    assert not passage(deployment).holds
    deployment.traffic.steady_from = 3
    assert passage(deployment).holds


@pytest.mark.parametrize(("took_s", "holds"), [(0.9, True), (1.5, False), (3.0, False)])
def test_slow_rotation_misses_the_target(deployment: RotatingDeployment, took_s: float, holds: bool) -> None:  # noqa: FBT001 - a case table
    """The median of one is that one."""
    deployment.rotated = [Rotated("rotate-dek", 5.1 - took_s, 2)]
    assert latency(deployment).holds is holds


def test_traffic_begins_empty() -> None:
    """Nothing is shared between two runs."""
    assert Traffic().seen == [{}, {}]

"""The benchmarks that need a Kafka, in a tiny form: that they run and measure, never how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import compression, enricher, enricher_memory, scale
from benchmarks.deployment import deploy
from benchmarks.passage import WorkerFailedError, passage
from benchmarks.topics import Job, unique

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.kafka


async def test_copy_and_stand_in_carry_the_same_events(kafka: str) -> None:
    """The shares are only worth something if all kinds of workers do the same records."""
    measured = await enricher.measure(kafka, events=400, rounds=1, kinds=("copy", "stand-in"))
    outcome = enricher.share(measured["stand-in"], measured["copy"], "a stand-in", 1.0, 400)
    assert outcome.figures["rounds"] == 1


async def test_enricher_carries_every_event_compressed(kafka: str, tmp_path: Path) -> None:
    """What a broker's disk holds is read from its folder; here an empty one stands for it."""
    outcomes = [one async for one in compression.measure(kafka, tmp_path, events=400, compressions=["snappy"])]
    assert [outcome.headline for outcome in outcomes] == ["0.00 x"]


async def test_enricher_s_memory_is_read_after_each_count(kafka: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sizes of the same process, with the events between them written while it runs."""
    monkeypatch.setattr(enricher_memory, "AHEAD", 200)
    monkeypatch.setattr(enricher_memory, "STEP", 200)
    before, after = await enricher_memory.sizes(kafka, (200, 600))
    assert 0 < before <= 2 * after


async def test_worker_that_ends_by_itself_is_an_error(kafka: str) -> None:
    """A worker that could not start must not leave a benchmark waiting."""
    variables = await deploy(kafka, unique("control"))
    job = Job(bootstrap=kafka, raw=unique("never-made"))
    with pytest.raises(WorkerFailedError):
        await passage("enricher", job, variables, events=100)


async def test_several_processes_share_one_topic(kafka: str) -> None:
    """Their CPU time is added up: half of it would make a million events half as dear."""
    measured = await scale.measure(kafka, events=400, processes=(2,))
    outcome = scale.outcome(2, measured[2], one=measured[2], kind="native", events=400)
    assert outcome.figures["of_one_process"] == 1.0
    assert measured[2].cpu_us_per_event > 0

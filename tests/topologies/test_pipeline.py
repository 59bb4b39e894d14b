"""What the three stages promise about order, commits, ended generations and the unexpected."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import KafkaError

from tests.support.pipeline_line import running
from tests.support.records import RAW, record_list


async def test_offsets_are_committed_behind_the_last_record_of_a_list() -> None:
    """Kafka's committed offset is the next one to read."""
    async with running() as line:
        line.lists.put_nowait(record_list([b"a", b"b"], first=10))
        line.lists.put_nowait(record_list([b"c"], first=5, partition=1))
        await line.until(lambda: line.broker.committed == {0: 12, 1: 6})


async def test_nothing_is_committed_before_its_acknowledgement() -> None:
    """A commit ahead of the broker's acknowledgement loses events when the process dies in between."""
    async with running(acknowledge=False) as line:
        line.lists.put_nowait(record_list([b"a"], first=0))
        line.lists.put_nowait(record_list([b"b"], first=1))
        await line.until(lambda: len(line.broker.waiting) == 2)
        line.broker.waiting["0:1"].set_result(None)  # the later one first
        await asyncio.sleep(0.05)
        assert line.broker.commits == []
        line.broker.waiting["0:0"].set_result(None)
        await line.until(lambda: line.broker.committed == {0: 2})


async def test_dead_letters_are_awaited_like_outputs() -> None:
    """A poison record whose dead letter was lost would be lost altogether."""
    async with running(acknowledge=False) as line:
        line.lists.put_nowait(record_list([b"poison"]))
        await line.until(lambda: len(line.broker.waiting) == 2)
        line.broker.waiting["0:0"].set_result(None)
        await asyncio.sleep(0.05)
        assert line.broker.commits == []
        line.broker.waiting["dead 0:0"].set_result(None)
        await line.until(lambda: line.broker.committed == {0: 1})


async def test_lists_pass_in_their_order() -> None:
    """Three stages work at once and must not overtake each other."""
    async with running() as line:
        for first in range(50):
            line.lists.put_nowait(record_list([b"a"], first=first))
        await line.until(lambda: line.broker.committed == {0: 50})
        assert line.broker.sent == [f"0:{first}" for first in range(50)]


@pytest.mark.parametrize("failing", ["0:1", "dead 0:1"])
async def test_a_refused_output_ends_the_process_before_any_commit_past_it(failing: str) -> None:
    """Whatever the broker's reason: the record is not where it should be."""
    async with running(acknowledge=False) as line:
        line.lists.put_nowait(record_list([b"a"], first=0))
        line.lists.put_nowait(record_list([b"poison"], first=1))
        line.lists.put_nowait(record_list([b"c"], first=2))
        await line.until(lambda: len(line.broker.waiting) == 4)
        for name, acknowledgement in line.broker.waiting.items():
            if name == failing:
                acknowledgement.set_exception(KafkaError())
            else:
                acknowledgement.set_result(None)
        await line.until(lambda: bool(line.deaths))
        await asyncio.sleep(0.1)
        assert line.deaths == [("acknowledge", "KafkaError")]
        assert line.broker.committed.get(0, 0) <= 1


async def test_an_unexpected_error_while_protecting_ends_the_process() -> None:
    """Skipping the list would lose it, trying it again would not end."""
    async with running() as line:
        line.lists.put_nowait(record_list([b"die"], first=0))
        line.lists.put_nowait(record_list([b"b"], first=1))
        await line.until(lambda: bool(line.deaths))
        await asyncio.sleep(0.05)
        assert line.deaths == [("protect", "ValueError")]
        assert line.broker.sent == []
        assert line.broker.commits == []


async def test_a_drain_returns_once_what_is_begun_is_committed() -> None:
    """Only then may the partitions be given up: the next owner starts from the committed offsets."""
    async with running(acknowledge=False) as line:
        line.lists.put_nowait(record_list([b"a"], first=0))
        await line.until(lambda: len(line.broker.waiting) == 1)
        drain = asyncio.create_task(line.pipeline.drain(1))
        await asyncio.sleep(0.05)
        assert not drain.done()
        line.broker.waiting["0:0"].set_result(None)
        async with asyncio.timeout(5):
            await drain
        assert line.broker.committed == {0: 1}
        assert line.pipeline.in_flight == 0


async def test_lists_of_an_ended_generation_are_dropped_and_later_ones_are_not() -> None:
    """Their records are fetched again by whoever has the partition now."""
    async with running() as line:
        await line.pipeline.drain(1)
        line.lists.put_nowait(record_list([b"a"], first=0, generation=1))
        line.lists.put_nowait(record_list([b"a"], first=0, generation=2))
        await line.until(lambda: line.broker.committed == {0: 1})
        assert line.protecting.seen == ["0:0"]


async def test_a_drain_of_an_idle_pipeline_returns_at_once() -> None:
    """A rebalance must not wait for events that do not come."""
    async with running() as line, asyncio.timeout(1):
        await line.pipeline.drain(1)
        await line.pipeline.drain(1)


async def test_without_a_writer_nothing_is_passed_and_nothing_committed() -> None:
    """Past the manifest's grace an enricher holds; an outage of the agent costs no event."""
    async with running() as line:
        line.keys.usable.clear()
        line.lists.put_nowait(record_list([b"a"]))
        await asyncio.sleep(0.05)
        assert (line.protecting.seen, line.broker.commits) == ([], [])
        line.keys.usable.set()
        await line.until(lambda: line.broker.committed == {0: 1})


async def test_a_held_list_does_not_hold_up_a_rebalance() -> None:
    """Its generation ends with it; the group must not wait for the rotation agent."""
    async with running() as line:
        line.keys.usable.clear()
        line.lists.put_nowait(record_list([b"a"], generation=1))
        await asyncio.sleep(0.02)
        async with asyncio.timeout(1):
            await line.pipeline.drain(1)
        line.keys.usable.set()
        line.lists.put_nowait(record_list([b"b"], first=1, generation=2))
        await line.until(lambda: line.broker.committed == {0: 2})
        assert line.protecting.seen == ["0:1"]


async def test_a_commit_that_the_group_refuses_is_no_reason_to_die() -> None:
    """The group has moved on: another does these records again, and readers drop the repeats."""
    async with running(accept=False) as line:
        line.lists.put_nowait(record_list([b"a"]))
        await line.until(lambda: line.pipeline.in_flight == 0 and bool(line.broker.commits))
        assert line.deaths == []


def test_a_record_list_shows_nothing_of_its_records() -> None:
    """It may stand in a log or an error."""
    shown = repr(record_list([b"secret", b"b"], first=3))
    assert "secret" not in shown
    assert f"{RAW}/0/3 +2" in shown

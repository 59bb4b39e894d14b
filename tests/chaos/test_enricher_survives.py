"""Workers killed, joining and leaving, and a broker that restarts: no event is lost, and readers see each once.

The short form runs in about a minute; AEGIS_CHAOS=long takes 60,000 events and kills the broker instead of asking it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from aegis_stream.client.consumer import EventConsumer
from tests.support.enricher_process import EnricherProcess
from tests.support.enrichment import Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.kafka import RestartableBroker

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

LONG = os.environ.get("AEGIS_CHAOS") == "long"
EVENTS = 60_000 if LONG else 16_000
PARTITIONS = 4
POISON_EVERY = 400
PER_SECOND = 800 if LONG else 350
FLOODS = (0.3, 0.75)
"""Before the first and after the second share of the events there is no pause."""


def raw(number: int) -> bytes:
    """Return an event, or poison."""
    if number % POISON_EVERY == 7:
        return b"poison %d" % number
    return orjson.dumps({"event_id": f"e-{number}", "actor_id": f"actor-{number}", "n": number, "pad": "x" * 200})


@dataclass
class Feed:
    """Sends the events, whatever happens to the broker: a flood, then a steady stream, then a flood again.

    In a flood the enricher has lists in every stage, so that a kill leaves outputs that were not yet committed.
    """

    stage: Stage
    offsets: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The number of each event by partition, in the order of their offsets."""

    async def run(self) -> None:
        """Send all; event n goes to partition n % PARTITIONS."""
        async with AIOKafkaProducer(**self.stage.connection, enable_idempotence=True) as producer:
            for first in range(0, EVENTS, PER_SECOND // 5):
                batch = range(first, min(EVENTS, first + PER_SECOND // 5))
                futures = [await producer.send(self.stage.raw, raw(n), partition=n % PARTITIONS) for n in batch]
                await asyncio.gather(*futures)
                for number in batch:
                    self.offsets[number % PARTITIONS].append(number)
                if FLOODS[0] <= batch[-1] / EVENTS <= FLOODS[1]:
                    await asyncio.sleep(0.2)

    async def until_done(self, share: float) -> None:
        """Wait until that share of all events is committed by the enrichers."""
        await self.stage.until_committed(int(EVENTS * share), timeout_s=240)


async def kill_in_flight(stage: Stage, process: EnricherProcess, *, at_the_latest: float) -> None:
    """Kill it while the broker has outputs that are not yet committed, so that the next one must repeat them.

    It is frozen to look, and let go on where nothing is in flight; at that share of the events it is killed anyhow.
    """
    while sum((await stage.committed()).values()) < EVENTS * at_the_latest:
        process.running.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.05)  # what it has sent arrives
        if await uncommitted_outputs(stage):
            break
        process.running.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.01)
    process.kill()


async def uncommitted_outputs(stage: Stage) -> bool:
    """Tell whether the last record of some partition comes from an offset that is not committed."""
    committed = await stage.committed()
    async with AIOKafkaConsumer(**stage.connection) as consumer:
        places = [TopicPartition(stage.encrypted, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        for place, end in (await consumer.end_offsets(places)).items():
            if end:
                consumer.seek(place, end - 1)
                record = await consumer.getone(place)
                source = orjson.loads(record.value)["_aegis"]["src"]
                if int(source.rpartition("/")[2]) >= committed.get(place.partition, 0):
                    return True
    return False


async def written(stage: Stage) -> int:
    """Return how many records the encrypted topic holds, repeats included."""
    async with AIOKafkaConsumer(**stage.connection) as consumer:
        ends = await consumer.end_offsets([TopicPartition(stage.encrypted, number) for number in range(PARTITIONS)])
    return sum(ends.values())


async def read_back(stage: Stage, count: int) -> tuple[dict[int, list[int]], int]:
    """Read as a reader does; returns the events' numbers by partition, and how many repeats were dropped."""
    seen: dict[int, list[int]] = defaultdict(list)
    options = {"connection": stage.connection, "topic": stage.encrypted, "group": f"{stage.name}.reader"}
    async with asyncio.timeout(240), EventConsumer(**options, decryptor=stage.decryptor()) as reader:
        for _ in range(count):
            received = await anext(reader)
            seen[received.partition].append(received.event["n"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await anext(reader)
        return seen, reader.stats["repeats"]


@pytest.mark.timeout(900)
async def test_nothing_is_lost_and_readers_see_each_event_once_and_in_order(
    kafka_server: RestartableBroker, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """An enricher killed twice, a second one joining and leaving, the broker restarted: all under a steady stream."""
    stage = Stage({"bootstrap_servers": kafka_server.bootstrap}, topic_name("c"), tmp_path, partitions=PARTITIONS)
    await stage.create()
    feed = Feed(stage)
    with ExitStack() as processes:
        first = processes.enter_context(EnricherProcess(stage.environment(), log=tmp_path / "first.log"))
        second = EnricherProcess(stage.environment(), log=tmp_path / "second.log")
        feeding = asyncio.create_task(feed.run())
        processes.callback(feeding.cancel)
        await feed.until_done(0.02)
        await kill_in_flight(stage, first, at_the_latest=0.3)
        first.start()
        await feed.until_done(0.30)
        processes.enter_context(second)
        await asyncio.to_thread(second.until_ready)
        await feed.until_done(0.45)
        await asyncio.to_thread(kafka_server.restart, hard=LONG)
        await feed.until_done(0.60)
        assert await asyncio.to_thread(second.stop) == 0
        await feed.until_done(0.76)
        await kill_in_flight(stage, first, at_the_latest=0.99)
        first.start()
        await feeding
        await asyncio.to_thread(first.until_ready)
        await feed.until_done(1.0)
        assert await asyncio.to_thread(first.stop) == 0

    good = {p: [n for n in numbers if n % POISON_EVERY != 7] for p, numbers in feed.offsets.items()}
    count = sum(map(len, good.values()))
    seen, repeats = await read_back(stage, count)
    assert seen == good
    assert await written(stage) == count + repeats
    letters = await stage.read_all(stage.dead_letter)
    poison = {stage.unsealed(letter).value for letter in letters}
    assert poison == {raw(n) for n in range(EVENTS) if n % POISON_EVERY == 7}
    print(f"{EVENTS} events, {repeats} repeats dropped, {len(letters) - len(poison)} dead letters repeated")  # noqa: T201 - for `make chaos`

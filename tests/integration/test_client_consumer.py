"""The reader on a real Kafka: each event once, nothing passed over, whatever happens to groups and enrichers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.encryption import (
    PIIDecryptor,
    Protected,
    SingleDek,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import (
    BrokerError,
    BrokerReason,
    KEKReason,
    KEKUnavailableError,
    ReadReason,
    RecordRefusedError,
)
from aegis_stream.hybrid import HybridPrivateKey
from tests.support.reading_stage import DEK, KEYS, Stage, numbers, take, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aegis_stream.client.consumer import EventConsumer
    from aegis_stream.client.received import RefusedRecord
    from aegis_stream.encryption import ReadingKey

pytestmark = pytest.mark.kafka


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str]) -> AsyncIterator[Stage]:
    """Make a topic of two partitions."""
    topic = topic_name("encrypted")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    yield Stage(
        bootstrap=kafka,
        topic=topic,
        group=topic_name("group"),
        producer=producer,
        encryptor=create_pii_enricher(public_key=KEYS.public, dek_version=DEK),
        decryptor=create_pii_decryptor(private_key=KEYS.private, dek_version=DEK),
    )
    await producer.stop()


async def test_events_come_back_whole_and_with_where_they_stood(stage: Stage) -> None:
    """A reader needs the event as it was, and where to look for it."""
    await stage.write([7])
    async with stage.reader() as reader:
        (received,) = await take(reader, 1)

    assert received.event == {"event_id": "0-7", "actor_id": "x", "n": 7}
    assert (received.topic, received.partition, received.offset) == (stage.topic, 0, 0)
    assert (received.source, received.dek_version) == ("raw/0/7", DEK)
    assert "0-7" not in repr(received)


async def test_repeats_of_a_restarted_enricher_are_dropped(stage: Stage) -> None:
    """The enricher repeats what it had not committed; readers must not notice."""
    await stage.write([*range(20), *range(12, 30)])
    async with stage.reader() as reader:
        assert numbers(await take(reader, 30)) == list(range(30))
        assert reader.stats["repeats"] == 8


async def test_a_restarted_reader_drops_repeats_of_what_its_predecessor_saw(stage: Stage) -> None:
    """The mark must outlive the process, also where the last committed record was itself a repeat."""
    await stage.write([*range(10), *range(5, 8)])
    async with stage.reader() as reader:
        await take(reader, 10)
        with pytest.raises(TimeoutError):  # the repeats are consumed and committed while it waits for more
            async with asyncio.timeout(2):
                await anext(reader)
    await stage.write([8, 9, 10, 11])
    async with stage.reader() as reader:
        assert numbers(await take(reader, 2)) == [10, 11]


async def test_the_event_in_hand_is_read_again_and_no_other(stage: Stage) -> None:
    """A reader that dies in the middle of an event has not done it."""
    await stage.write(range(6))
    async with stage.reader() as reader:
        assert numbers(await take(reader, 3)) == [0, 1, 2]
    async with stage.reader() as reader:
        assert numbers(await take(reader, 2)) == [2, 3]
        await reader.commit()
    async with stage.reader() as reader:
        assert numbers(await take(reader, 2)) == [4, 5]


async def test_offsets_that_a_tool_has_set_are_no_hole_in_the_rule(stage: Stage) -> None:
    """kafka-consumer-groups writes no marks: the records before the offset tell them."""
    await stage.write([*range(8), 6, 7, 8])
    tool = AIOKafkaConsumer(bootstrap_servers=stage.bootstrap, group_id=stage.group, enable_auto_commit=False)
    await tool.start()
    tool.assign([TopicPartition(stage.topic, 0)])
    await tool.commit({TopicPartition(stage.topic, 0): 9})
    await tool.stop()

    async with stage.reader() as reader:
        assert numbers(await take(reader, 1)) == [8]


async def test_a_refused_record_is_raised_until_somebody_deals_with_it(stage: Stage) -> None:
    """Going on as if nothing had been there would be losing it in silence."""
    await stage.write([0])
    await stage.put(b'{"actor_id": "in the clear"}')
    await stage.write([1])
    async with stage.reader() as reader:
        await take(reader, 1)
        for _ in range(2):
            with pytest.raises(RecordRefusedError) as caught:
                await take(reader, 1)
            assert caught.value.reason == ReadReason.NOT_PROTECTED
            assert (caught.value.partition, caught.value.offset) == (0, 1)
            assert f"{stage.topic}/0/1" in str(caught.value)
            assert "in the clear" not in str(caught.value)


async def test_refused_records_go_to_the_callback_and_the_rest_to_the_reader(stage: Stage) -> None:
    """An operator may prefer to put them aside; order and offsets stay."""
    refused: list[RefusedRecord] = []

    async def aside(record: RefusedRecord) -> None:
        refused.append(record)

    await stage.put(b"no json")
    await stage.write([0])
    await stage.put(None, key=b"k")
    nothing = stage.producer.create_batch()  # `send` refuses a record with neither key nor value; other clients do not
    nothing.append(key=None, value=None, timestamp=None)
    await (await stage.producer.send_batch(nothing, stage.topic, partition=0))
    await stage.write([1])
    async with stage.reader(on_refused=aside) as reader:
        assert numbers(await take(reader, 2)) == [0, 1]
        await reader.commit()
        assert dict(reader.stats) == {"events": 2, "refused": 2, "empty": 1}
    assert [record.reason for record in refused] == [ReadReason.NOT_JSON, ReadReason.NOT_JSON]
    assert "no json" not in repr(refused[0])

    await stage.write([2])
    async with stage.reader(on_refused=aside) as reader:
        assert numbers(await take(reader, 1)) == [2]
    assert len(refused) == 2


async def test_a_raw_topic_made_anew_is_refused_until_accepted(stage: Stage) -> None:
    """Its low offsets look like repeats; dropping them would lose every new event."""
    await stage.write([5_000, 5_001, 0, 1])
    async with stage.reader(rewind_limit=1_000) as reader:
        assert numbers(await take(reader, 2)) == [5_000, 5_001]
        with pytest.raises(RecordRefusedError) as caught:
            await take(reader, 1)
        assert caught.value.reason == ReadReason.SOURCE_REWOUND
    async with stage.reader(rewind_limit=1_000, accept_rewind=True) as reader:
        assert numbers(await take(reader, 2)) == [0, 1]
        await reader.commit()
    await stage.write([1, 2])
    async with stage.reader(rewind_limit=1_000) as reader:
        assert numbers(await take(reader, 1)) == [2]


async def test_readers_of_one_group_hand_over_without_loss_or_repeat(stage: Stage) -> None:
    """Deployments add and remove readers while events flow."""
    seen: list[str] = []

    async def read(reader: EventConsumer) -> None:
        async for received in reader:
            await asyncio.sleep(0.002)
            seen.append(received.event["event_id"])

    async def written(enough: asyncio.Event) -> int:
        start = 0
        while not enough.is_set():
            for partition in (0, 1):
                await stage.write(range(start, start + 10), partition=partition)
            start += 10
            await asyncio.sleep(0.05)
        return start

    enough = asyncio.Event()
    async with stage.reader(commit_interval_s=0.1) as first:
        tasks = [asyncio.create_task(read(first))]
        writing = asyncio.create_task(written(enough))
        await until(lambda: len(seen) > 20)
        async with stage.reader(commit_interval_s=0.1) as second:
            tasks.append(asyncio.create_task(read(second)))
            await until(lambda: second.stats["events"] > 20)
            tasks[1].cancel()
            await asyncio.wait(tasks[1:])
        enough.set()
        count = await writing
        await until(lambda: len(set(seen)) == 2 * count)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])

    assert len(seen) - len(set(seen)) <= 1  # the cancelled reader's event in hand
    for partition in (0, 1):
        mine = [int(event_id.partition("-")[2]) for event_id in dict.fromkeys(seen) if event_id[0] == str(partition)]
        assert mine == list(range(count))


async def test_an_unknown_version_costs_one_look_at_the_control_topic(stage: Stage) -> None:
    """Events tell readers of a rotation; a flood of invented versions must not become a flood of reads."""
    looks = 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    stranger = create_pii_enricher(public_key=KEYS.public, dek_version="dek-v9-20260101")
    for _ in range(3):
        (result,) = stranger.protect_batch([b'{"actor_id":"x"}'])
        assert isinstance(result, Protected)
        await stage.put(result.value)
    refused: list[RefusedRecord] = []

    async def aside(record: RefusedRecord) -> None:
        refused.append(record)

    await stage.write([0])
    async with stage.reader(refresh_keys=look, on_refused=aside, batch_records=1) as reader:
        await take(reader, 1)

    assert looks == 1
    assert [record.reason for record in refused] == [ReadReason.DEK_UNKNOWN] * 3


async def test_a_control_topic_that_does_not_answer_refuses_nothing(stage: Stage) -> None:
    """Nobody knows then whether the version is unknown: the event must be there when the topic answers."""
    answers = False

    async def look() -> None:
        if not answers:
            await asyncio.Event().wait()

    refused: list[RefusedRecord] = []

    async def aside(record: RefusedRecord) -> None:
        refused.append(record)

    stranger = create_pii_enricher(public_key=KEYS.public, dek_version="dek-v9-20260101")
    (result,) = stranger.protect_batch([b'{"actor_id":"x"}'])
    assert isinstance(result, Protected)
    await stage.put(result.value)
    await stage.write([0])
    async with stage.reader(refresh_keys=look, on_refused=aside, control_wait_s=0.2) as reader:
        with pytest.raises(BrokerError) as caught:
            await take(reader, 1)
        assert caught.value.reason == BrokerReason.TIMEOUT
        assert not refused
        answers = True
        assert numbers(await take(reader, 1)) == [0]
    assert len(refused) == 1


async def test_a_kek_that_is_away_loses_no_event(stage: Stage) -> None:
    """What was fetched when the key could not be had is opened when it can."""
    private = HybridPrivateKey.from_bytes(KEYS.private)

    class Away(SingleDek):
        """Has its key at the third question."""

        asked = 0

        def reading_key(self, version: str) -> ReadingKey | ReadReason:
            self.asked += 1
            if self.asked < 3:
                raise KEKUnavailableError(KEKReason.UNAVAILABLE, "away")
            return super().reading_key(version)

    keys = Away(dek_version=DEK, public_key=KEYS.public, decapsulate=private.decapsulate, policy=None)
    await stage.write([0, 1])
    async with stage.reader(decryptor=PIIDecryptor(keys)) as reader:
        for _ in range(2):
            with pytest.raises(KEKUnavailableError):
                await take(reader, 1)
        assert numbers(await take(reader, 2)) == [0, 1]


async def test_a_missing_topic_is_said_at_the_start(stage: Stage) -> None:
    """Kafka's clients would wait for it in silence."""
    with pytest.raises(BrokerError) as caught:
        await stage.reader(topic="aegis.nowhere").start()
    assert caught.value.reason == BrokerReason.TOPIC_MISSING


async def test_a_reader_that_was_not_started_says_so(stage: Stage) -> None:
    """Forgetting `async with` must not look like an empty topic."""
    with pytest.raises(RuntimeError, match="async with"):
        await anext(stage.reader())

"""Re-encrypting history on a real Kafka."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.refused import read_refused
from aegis_stream.client.spans import Bound
from aegis_stream.client.topics.history import create_history_topics
from aegis_stream.encryption import create_pii_enricher
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from aegis_stream.pii import Policy
from aegis_stream.wire import DekVersion
from tests.support.enrichment import Stage, utc_now
from tests.support.history import History, event, kept, make_topic, of_partition
from tests.support.keyrings import PlainKek
from topologies.reencrypt import exit_code_of, reencrypt
from topologies.reencrypt_life import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.reencrypt_account import Account

pytestmark = pytest.mark.kafka


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Make a deployment, and the two topics that a re-encryption writes."""
    made = Stage({"bootstrap_servers": kafka}, topic_name("h"), tmp_path)
    await made.create()
    await create_history_topics(made.connection, source=made.encrypted, target=f"{made.name}.new")
    return made


async def run(stage: Stage, stop: asyncio.Event | None = None, **options: Any) -> Account:  # noqa: ANN401
    """Run a re-encryptor in this process."""
    target = f"{stage.name}.new"
    on_progress = options.pop("on_progress", lambda _account: None)
    plan = Plan(**{"source": stage.encrypted, "target": target, "refused_topic": f"{target}.refused", **options})
    return await reencrypt(stage.settings(), plan, stop or asyncio.Event(), keks=[PlainKek()], on_progress=on_progress)


async def numbers(stage: Stage) -> list[int]:
    """Return the numbers of all events on the new topic, sorted; fails where one cannot be opened."""
    records = [record for record in await stage.read_all(f"{stage.name}.new") if record.value is not None]
    return sorted(result.event["n"] for result in stage.opened(records))


async def test_history_is_encrypted_anew_and_the_account_adds_up(stage: Stage) -> None:
    """Nothing lost, doubled, moved or reordered; old versions are opened, the rest is kept to the byte."""
    history = History(stage)
    await history.write(40)
    await history.put([history.odd(b"no json"), history.odd(None, partition=1), history.odd(b'{"actor_id":"x"}')])
    await history.rotate()
    await history.write(30)
    third = await history.rotate()
    await history.write(20)

    account = await run(stage, below=DekVersion.parse(third))
    total = account.total
    assert (total.read, total.kept, total.reencrypted) == (93, 21, 70)
    assert total.refused == {"not-json": 1, "not-protected": 1}
    assert account.adds_up
    assert account.complete
    assert exit_code_of(account) == 1
    assert account.under == (third,)

    new = await stage.read_all(f"{stage.name}.new")
    good = [one for one in history.written if one.value is None or one.value.startswith(b'{"event_id"')]
    for partition in range(stage.partitions):
        assert of_partition(new, partition) == kept(good, partition)
    events = [record for record in new if record.value is not None]
    assert {orjson.loads(record.value)["_aegis"]["dek"] for record in events} == {third}
    before = {one.value for one in history.written}
    assert sum(record.value in before for record in new) == 21
    opened = stage.opened(events)
    assert len(opened) == 90
    for result in opened:
        number = result.event["n"]
        assert result.event == event(number)
        assert result.source == f"{stage.raw}/{number % 2}/{number // 2}"


async def test_refused_records_are_not_lost(stage: Stage) -> None:
    """They lie sealed to the active DEK, whole, under the place where they stood and the reason."""
    history = History(stage)
    await history.write(2)
    await history.put([history.odd(b'{"actor_id":"in the clear"}', partition=1, key=b"whose")])
    await history.rotate()
    await run(stage)
    topic = f"{stage.name}.new.refused"
    (place,) = await read_refused(stage.connection, topic)
    assert (place.source, place.reason) == (f"{stage.encrypted}/1/1", "not-protected")
    assert place.sealed_under == stage.deployment.active
    (letter,) = await stage.read_all(topic)
    assert b"in the clear" not in letter.value
    sealed = stage.unsealed(letter)
    assert (sealed.key, sealed.value) == (b"whose", b'{"actor_id":"in the clear"}')


async def test_a_job_goes_on_where_it_was_stopped_and_to_the_new_end(stage: Stage) -> None:
    """Stopped between two transactions, begun again, and run once more when more has come: each event once."""
    history = History(stage)
    await history.write(60)
    second = await history.rotate()
    stop = asyncio.Event()

    def stop_at_20(account: Account) -> None:
        if account.total.read >= 20:
            stop.set()

    halted = await run(stage, stop, batch=10, on_progress=stop_at_20)
    assert not halted.complete
    assert exit_code_of(halted) == 75
    await history.rotate()  # a new active version in between: the job keeps to its task
    await history.write(10)
    account = await run(stage)
    assert account.task.below == second
    assert (account.total.read, account.total.kept, account.total.reencrypted) == (70, 10, 60)
    await history.write(5)
    again = await run(stage)
    assert (again.total.read, again.total.kept, again.total.reencrypted) == (75, 15, 60)
    assert exit_code_of(again) == 0
    assert await numbers(stage) == list(range(75))
    with pytest.raises(ConfigurationError, match="was begun with"):
        await run(stage, below=DekVersion.parse(stage.deployment.active))


async def test_a_part_of_history_by_offsets_and_by_times(stage: Stage) -> None:
    """Either end may be told by offsets of partitions or by a time."""
    history = History(stage)
    await history.write(40)
    await history.rotate()
    until = dt.datetime.fromtimestamp((history.began_ms + 30_000) / 1000, dt.UTC)
    account = await run(stage, since=Bound(offsets={0: 5, 1: 3}), until=Bound(time=until))
    assert account.total.read == account.total.reencrypted == (15 - 5) + (15 - 3)
    assert await numbers(stage) == sorted([2 * n for n in range(5, 15)] + [2 * n + 1 for n in range(3, 15)])
    for number, tally in account.tallies.items():
        assert (tally.begin, account.positions[number]) == ((5, 3)[number], 15)


async def test_what_an_old_policy_had_encrypted_stays_encrypted(stage: Stage) -> None:
    """A laxer policy is for new events: history must not come into the clear by being encrypted anew."""
    deployment, history = stage.deployment, History(stage)
    strict = Policy("strict", names=("amount",))
    await stage.publish(deployment.rotate(utc_now(), policy=strict))
    await history.write(4)
    lax = Policy("lax", exclude=("actor_id",))
    await stage.publish(deployment.rotate(utc_now(), policy=lax))
    await history.write(2)
    account = await run(stage)
    assert (account.total.reencrypted, account.total.kept) == (4, 2)
    for record in await stage.read_all(f"{stage.name}.new"):
        shape = orjson.loads(record.value)
        of_old = shape["n"] < 4
        assert isinstance(shape["amount"], dict) is of_old
        assert isinstance(shape["actor_id"], dict) is of_old
    assert await numbers(stage) == list(range(6))


async def test_events_of_library_use_stay_without_a_source(stage: Stage) -> None:
    """No enricher wrote them, so there is nothing to keep; beside those that have one they keep their place."""
    history, deployment = History(stage), stage.deployment
    await stage.publish(deployment.rotate(utc_now(), signed=False))
    active = deployment.active
    protect = create_pii_enricher(public_key=deployment.records[active].public_key, dek_version=active)
    for number in range(3):
        await history.write(2)
        await history.put([history.odd(orjson.dumps(protect(event(100 + number))))])
    await history.rotate()
    account = await run(stage)
    assert (account.total.read, account.total.reencrypted) == (9, 9)
    records = [record for record in await stage.read_all(f"{stage.name}.new") if record.partition == 0]
    opened = stage.opened(records)
    assert [result.source is None for result in opened] == [False, True] * 3
    assert [result.event["n"] for result in opened if result.source is None] == [100, 101, 102]


async def test_what_would_lose_history_is_refused_before_anything_is_written(stage: Stage) -> None:
    """A new topic that is not empty, keeps less, or takes less; and a version that nobody has yet."""
    history = History(stage)
    await history.write(4)
    await history.rotate()
    with pytest.raises(ConfigurationError, match="above the active version"):
        await run(stage, below=DekVersion.parse("dek-v9-20260101"))
    size = str(4 * stage.encrypted_bytes)
    for settings, told in (
        ({"max_message_bytes": size, "retention_ms": "1000"}, r"retention\.ms is 1000"),
        ({"max_message_bytes": size, "retention_bytes": "1000"}, r"retention\.bytes is 1000"),
        ({"max_message_bytes": "1000000"}, r"max\.message\.bytes is 1,000,000"),
        ({"max_message_bytes": size, "message_timestamp_type": "LogAppendTime"}, "CreateTime"),
        ({"max_message_bytes": size, "cleanup_policy": "compact"}, "cleanup"),
    ):
        unfit = f"{stage.name}.{len(told)}-unfit"
        await make_topic(stage.connection, unfit, stage.partitions, **settings)
        with pytest.raises(BrokerError, match=told) as caught:
            await run(stage, target=unfit, refused_topic=f"{stage.name}.new.refused")
        assert caught.value.reason == BrokerReason.TOPIC_SETTINGS
    assert await stage.read_all(f"{stage.name}.new") == []
    async with AIOKafkaProducer(**stage.connection) as producer:
        await producer.send_and_wait(f"{stage.name}.new", b"what a job whose offsets are gone has written")
    with pytest.raises(BrokerError, match="holds records"):
        await run(stage)


async def test_a_second_process_takes_over_and_the_first_one_hears_of_it(stage: Stage) -> None:
    """Two at once would double events; the transactional id lets one alone commit."""
    history = History(stage)
    await history.write(40)
    await history.rotate()
    second: list[Account] = []
    told = asyncio.Event()

    async def takes_over() -> None:
        await told.wait()
        second.append(await run(stage))

    def tell(account: Account) -> None:
        if account.total.read >= 4:
            told.set()

    other = asyncio.create_task(takes_over())
    with pytest.raises(BrokerError) as caught:
        await run(stage, batch=2, max_rate=8, on_progress=tell)
    assert caught.value.reason == BrokerReason.FENCED
    await other
    assert (second[0].total.read, second[0].total.reencrypted) == (40, 40)
    assert await numbers(stage) == list(range(40))

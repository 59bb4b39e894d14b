"""The enricher on a real Kafka, with real keys: what comes out, where it stands, and when nothing does."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from aegis_stream.keyring.maker import ManifestMaker
from tests.support.bad_names import builder_of
from tests.support.enrichment import RawRecord, Stage, utc_now
from tools.kafka import Grant, Operation, Resource, allow
from topologies.before_start import look_before_start
from topologies.protect_events import build_enricher
from topologies.writers import WriterState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tools.kafka import KafkaServer
    from topologies.protect_events import Enricher

pytestmark = pytest.mark.kafka


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Return a deployment whose topics are not yet made."""
    return Stage({"bootstrap_servers": kafka}, topic_name("e"), tmp_path)


async def built(stage: Stage, **settings: Any) -> Enricher:  # noqa: ANN401 - any setting
    """Look and put together, as the process does."""
    told = stage.settings(**settings)
    return build_enricher(told, limits=await look_before_start(told))


@asynccontextmanager
async def running(stage: Stage, **settings: Any) -> AsyncIterator[Enricher]:  # noqa: ANN401 - any setting
    """Run an enricher in this loop; it is stopped as by SIGTERM."""
    enricher = await built(stage, **settings)
    await enricher.app.start()
    try:
        yield enricher
    finally:
        await enricher.app.stop()


def event(number: int) -> bytes:
    """Return a raw event."""
    return orjson.dumps({"event_id": f"e-{number}", "actor_id": f"actor-{number}", "n": number})


def numbers(stage: Stage, records: list[Any]) -> list[int]:
    """Open encrypted records and return the numbers of their events."""
    return [one.event["n"] for one in stage.opened(records)]


async def test_events_arrive_encrypted_in_their_partition_and_order(stage: Stage) -> None:
    """Readers rely on all of it: same partition, same order, same timestamp, the source authenticated."""
    await stage.create()
    sent = [RawRecord(value=event(n), partition=n % 2, timestamp_ms=1_700_000_000_000 + n) for n in range(200)]
    await stage.send(sent)
    async with running(stage):
        records = await stage.read(stage.encrypted, 200)
        await stage.until_committed(200)

    for partition in (0, 1):
        mine = [record for record in records if record.partition == partition]
        expected = [record for record in sent if record.partition == partition]
        opened = stage.opened(mine)
        assert [one.event for one in opened] == [orjson.loads(record.value or b"") for record in expected]
        assert [one.source for one in opened] == [f"{stage.raw}/{partition}/{offset}" for offset in range(100)]
        assert [record.timestamp for record in mine] == [record.timestamp_ms for record in expected]
        assert all(b"actor-" not in record.value for record in mine)


async def test_a_header_name_that_is_not_utf8_stops_nothing(stage: Stage) -> None:
    """Brokers do not look, and aiokafka would refuse the partition for ever: any producer could stop the enricher."""
    await stage.create()
    async with running(stage) as enricher:
        async with AIOKafkaProducer(**stage.connection) as producer:
            for partition in (0, 1):
                batch = producer.create_batch()
                batch._builder = builder_of(
                    [
                        (None, event(1), []),
                        (None, event(2), [("trace", b"1"), (b"\xff\xfe", b"actor-2")]),
                        (None, b"no json", [(b"\xff", b"x")]),
                        (None, event(3), []),
                    ]
                )
                batch._relative_offset = 4
                await (await producer.send_batch(batch, stage.raw, partition=partition))
        await stage.send([event(4), RawRecord(value=event(4), partition=1)])
        records = await stage.read(stage.encrypted, 8)
        letters = await stage.read(stage.dead_letter, 2)
        await stage.until_committed(10)
        assert b"aegis_enricher_undecodable_headers 4.0" in enricher.metrics()
    assert numbers(stage, records) == [1, 2, 3, 4] * 2
    assert [record.headers for record in records] == [(), (("trace", b"1"),), (), ()] * 2
    assert [stage.unsealed(letter).value for letter in letters] == [b"no json"] * 2


async def test_a_stop_commits_and_the_next_enricher_goes_on_without_a_repeat(stage: Stage) -> None:
    """SIGTERM is an everyday event; only a crash may repeat a tail."""
    await stage.create()
    await stage.send([event(n) for n in range(3_000)])
    async with running(stage):
        await stage.read(stage.encrypted, 1)
    done = sum((await stage.committed()).values())
    assert len(await stage.read(stage.encrypted, done)) == done
    async with running(stage):
        records = await stage.read(stage.encrypted, 3_000)
        await stage.until_committed(3_000)
    assert numbers(stage, records) == list(range(3_000))


async def test_a_second_worker_joins_and_leaves_without_a_single_repeat(stage: Stage) -> None:
    """Before partitions are given up, what is begun is finished and committed: so only crashes make repeats."""
    stage.partitions = 4
    await stage.create()

    async def feed() -> None:
        async with AIOKafkaProducer(**stage.connection) as producer:
            for number in range(8_000):
                sent = await producer.send(stage.raw, event(number), partition=number % 4)
                if number % 100 == 0:
                    await sent
                    await asyncio.sleep(0.04)
            await producer.flush()

    async with running(stage) as first:
        feeding = asyncio.create_task(feed())
        async with running(stage) as second:
            async with asyncio.timeout(20):
                while len(second.app.bulk_consumer.assignment()) != 2:  # noqa: ASYNC110 - a group has no event for it
                    await asyncio.sleep(0.02)
            await asyncio.sleep(1)
            assert len(first.app.bulk_consumer.assignment()) == 2
        await feeding
        await stage.until_committed(8_000, timeout_s=60)
        assert b'aegis_enricher_commits_total{outcome="superseded"}' not in first.metrics()
    records = await stage.read_all(stage.encrypted)
    for partition in range(4):
        mine = [record for record in records if record.partition == partition]
        assert numbers(stage, mine) == list(range(partition, 8_000, 4))


async def test_a_rotation_takes_effect_between_two_lists_and_loses_nothing(stage: Stage) -> None:
    """New events go under the new DEK as soon as its manifest is there; the old ones stay readable."""
    await stage.create()
    old = stage.deployment.active
    async with running(stage) as enricher:
        await stage.send([event(n) for n in range(50)])
        await stage.until_committed(50)
        await stage.publish(stage.deployment.rotate(utc_now()))
        async with asyncio.timeout(10):
            while enricher.readiness().facts["manifest_sequence"] != 2:  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(0.02)
        await stage.send([event(n) for n in range(50, 100)])
        records = await stage.read(stage.encrypted, 100)
    opened = stage.opened(records)
    assert [one.event["n"] for one in opened] == list(range(100))
    assert [one.dek_version for one in opened] == [old] * 50 + [stage.deployment.active] * 50
    assert stage.deployment.active != old


async def test_while_the_control_topic_is_away_nobody_joins_the_group_and_nothing_passes(stage: Stage) -> None:
    """A worker without keys must neither pass events in the clear nor take partitions away from one that has keys."""
    await stage.create(control=False)
    await stage.send([event(n) for n in range(10)])
    enricher = await built(stage)
    starting = asyncio.create_task(enricher.app.start())
    try:
        async with asyncio.timeout(20):
            while enricher.readiness().facts["problem"] is None:  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(0.02)
        assert not enricher.readiness().good
        assert enricher.readiness().facts["keys"] == WriterState.READING
        assert enricher.health().good
        assert await members(stage) == 0
        await stage.create_control()
        async with asyncio.timeout(20):
            while enricher.readiness().facts["keys"] != WriterState.NO_MANIFEST:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await members(stage) == 0
        assert await stage.committed() == {}
        await stage.publish(stage.deployment.first)
        assert numbers(stage, await stage.read(stage.encrypted, 10)) == list(range(10))
    finally:
        await asyncio.wait([starting])
        await enricher.app.stop()


async def members(stage: Stage) -> int:
    """Return how many members the enrichers' group has."""
    admin = AIOKafkaAdminClient(**stage.connection)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([stage.group])
        return len(answer.groups[0][5])
    finally:
        await admin.close()


async def test_past_the_grace_it_holds_and_a_fresh_manifest_lets_it_go_on(stage: Stage) -> None:
    """An outage of the rotation agent costs no event: nothing is passed, nothing is committed, nothing is lost."""
    stage.deployment.maker = ManifestMaker(stage.deployment.signer, life_s=4)
    await stage.create()
    await stage.publish(stage.deployment.fresh(utc_now()))
    async with running(stage, manifest_grace_s=1) as enricher:
        await stage.send([event(n) for n in range(10)])
        await stage.until_committed(10)
        async with asyncio.timeout(15):
            while enricher.readiness().good:  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(0.05)
        assert not enricher.health().good
        await stage.send([event(n) for n in range(10, 20)])
        await asyncio.sleep(1.5)  # long enough for what would pass
        assert len(await stage.read(stage.encrypted, 10)) == 10
        assert await stage.committed() == {0: 10}
        stage.deployment.maker = ManifestMaker(stage.deployment.signer)
        await stage.publish(stage.deployment.fresh(utc_now() + dt.timedelta(seconds=1)))
        assert numbers(stage, await stage.read(stage.encrypted, 20)) == list(range(20))
        assert enricher.health().good


async def test_a_held_enricher_stops_at_once_and_commits_nothing(stage: Stage) -> None:
    """The operator restarts it; what waits, more than its queues hold, is read again."""
    stage.deployment.maker = ManifestMaker(stage.deployment.signer, life_s=2)
    await stage.create()
    await stage.publish(stage.deployment.fresh(utc_now()))
    async with running(stage, strict=True) as enricher:
        async with asyncio.timeout(10):
            while enricher.readiness().good:  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(0.05)
        await stage.send([RawRecord(value=b'{"pad":"%s"}' % (b"x" * 400_000), partition=n % 2) for n in range(12)])
        async with asyncio.timeout(10):
            while not enricher.app.record_lists.queue.full():  # noqa: ASYNC110 - a queue has no event for it
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.5)  # the consumer waits for room by now
        began = time.monotonic()
    assert time.monotonic() - began < 8
    assert await stage.committed() == {}


async def test_the_metrics_tell_what_was_done(stage: Stage) -> None:
    """Alarms hang on them; none of them may hold a value."""
    await stage.create()
    await stage.send([event(n) for n in range(10)] + [b"no json"])
    async with running(stage) as enricher:
        await stage.until_committed(11)  # the broker knows; its answer may still be on its way to the enricher
        async with asyncio.timeout(10):
            while b'lag_records{partition="0"} 0.0' not in enricher.metrics():  # noqa: ASYNC110 - a page has no event
                await asyncio.sleep(0.05)
        text = enricher.metrics().decode()
    for line in (
        "aegis_enricher_events_total 10.0",
        'aegis_enricher_fields_total{name="actor_id",priority="high"} 10.0',
        'aegis_enricher_dead_letters_total{reason="not-json"} 1.0',
        f'aegis_enricher_dek_info{{version="{stage.deployment.active}"}} 1.0',
        'aegis_enricher_lag_records{partition="0"} 0.0',
        "aegis_enricher_manifest_sequence 1.0",
        "aegis_enricher_ready 1.0",
        "aegis_enricher_sessions_total 1.0",
    ):
        assert line in text
    assert "actor-" not in text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encrypted_partitions": 1}, BrokerReason.PARTITIONS),
        ({}, BrokerReason.TOPIC_MISSING),
    ],
)
async def test_topics_that_do_not_fit_are_named_before_anything_starts(
    stage: Stage, change: dict[str, int], reason: BrokerReason
) -> None:
    """Source partition p goes to partition p; Kafka's clients would fail late, or wait in silence."""
    if change:
        stage.encrypted_partitions = change["encrypted_partitions"]
        await stage.create()
    with pytest.raises(BrokerError) as caught:
        await built(stage)
    assert caught.value.reason == reason
    assert caught.value.remedy


async def test_without_an_agent_key_it_does_not_start(stage: Stage) -> None:
    """Then any manifest would have to be believed."""
    await stage.create()
    with pytest.raises(ConfigurationError, match="rotation agent"):
        await built(stage, agent_public_keys=())


async def test_over_tls_with_a_password_and_the_least_rights(
    kafka_secure: KafkaServer, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """Every client of the process must take the settings: consumer, producer, follower and the look before."""
    security = kafka_secure.security
    stage = Stage(security.scram(), topic_name("e"), tmp_path)
    await stage.create()
    await allow(
        security.scram(),
        Grant("enricher", Operation.READ, Resource.TOPIC, stage.raw),
        Grant("enricher", Operation.WRITE, Resource.TOPIC, stage.encrypted),
        Grant("enricher", Operation.WRITE, Resource.TOPIC, stage.dead_letter),
        Grant("enricher", Operation.READ, Resource.TOPIC, stage.control),
        Grant("enricher", Operation.READ, Resource.GROUP, stage.group),
    )
    await stage.send([event(n) for n in range(20)] + [b"no json"])
    async with running(
        stage,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="enricher",
        kafka_sasl_password=security.users["enricher"],
        kafka_ssl_cafile=security.ca_path,
    ):
        assert numbers(stage, await stage.read(stage.encrypted, 20)) == list(range(20))
        assert len(await stage.read(stage.dead_letter, 1)) == 1
        await stage.until_committed(21)

"""FastStream on a real Kafka, with our decoder."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from faststream import AckPolicy, ExceptionMiddleware
from faststream.kafka import KafkaBroker
from pydantic import BaseModel

from aegis_stream.client.received import ReceivedEvent  # noqa: TC001 - FastStream reads the handlers' annotations
from aegis_stream.encryption import PIIEncryptor, Protected, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import ConfigurationError, ReadReason, RecordRefusedError
from aegis_stream.hybrid import HybridKEM
from aegis_stream.integrations.faststream import EventDecoder
from tests.support.enrichment import Stage
from tests.support.keyrings import ENRICHER, PlainKek

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

PAIR = HybridKEM.generate_keypair()
DEK = "dek-v1-20260101"
DEADLINE_S = 60.0


class Decision(BaseModel):
    """An event as a handler of FastStream likes to have it."""

    event_id: str
    actor_id: str


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Make a deployment with topics of one partition."""
    stage = Stage({"bootstrap_servers": kafka}, topic_name("faststream"), tmp_path, partitions=1)
    await stage.create()
    return stage


@pytest.fixture
async def broker(kafka: str) -> AsyncIterator[KafkaBroker]:
    """Give FastStream's broker, not started: it is when the handlers stand."""
    broker = KafkaBroker(kafka, logger=None)
    yield broker
    await broker.stop()


def encryptor() -> PIIEncryptor:
    """Return what encrypts under the bare key."""
    return create_pii_enricher(public_key=PAIR.public, dek_version=DEK)


def bare_decoder(*, whole: bool = False) -> EventDecoder:
    """Return a decoder over the bare key."""
    return EventDecoder(create_pii_decryptor(private_key=PAIR.private, dek_version=DEK), whole=whole)


def decisions(count: int) -> list[dict[str, Any]]:
    """Return events."""
    return [{"event_id": f"e-{number}", "actor_id": f"actor {number}"} for number in range(count)]


def encrypted(writer: PIIEncryptor, events: list[dict[str, Any]]) -> list[bytes]:
    """Return events as an enricher writes them."""
    sources = [f"raw/0/{number}" for number in range(len(events))]
    results = writer.protect_batch([orjson.dumps(event) for event in events], sources=sources)
    return [result.value for result in results if isinstance(result, Protected)]


async def put(stage: Stage, values: list[bytes | None], key: bytes | None = None) -> None:
    """Write records to the encrypted topic, in order."""
    broker = KafkaBroker(stage.connection["bootstrap_servers"], logger=None)
    await broker.start()
    for value in values:
        await broker.publish(value, stage.encrypted, key=key)
    await broker.stop()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something that has no event to wait for holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


async def test_a_handler_gets_the_events_of_a_deployment(stage: Stage, broker: KafkaBroker) -> None:
    """The keys come from the manifest while the application runs, and the handler's model is validated as ever."""
    decoder = EventDecoder.following(stage.settings(), keks=[PlainKek()])
    seen: list[Decision] = []

    @broker.subscriber(
        stage.encrypted,
        group_id=stage.group,
        auto_offset_reset="earliest",
        decoder=decoder,
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(event: Decision) -> None:
        seen.append(event)

    active = stage.deployment.manifest.active
    record = stage.deployment.records[active.version.text]
    writer = create_pii_enricher(public_key=record.public_key, dek_version=active.version.text, signer=ENRICHER)
    await put(stage, list(encrypted(writer, decisions(3))))
    async with decoder.lifespan():
        await broker.start()
        await until(lambda: len(seen) == 3)
        await broker.stop()
    assert [event.model_dump() for event in seen] == decisions(3)


async def test_a_batch_and_the_whole_event(stage: Stage, broker: KafkaBroker) -> None:
    """Batches are opened together; `whole` brings source and version along, by which repeats are told."""
    seen: list[ReceivedEvent] = []

    @broker.subscriber(
        stage.encrypted,
        group_id=stage.group,
        auto_offset_reset="earliest",
        batch=True,
        decoder=bare_decoder(whole=True),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(events: list[ReceivedEvent]) -> None:
        seen.extend(events)

    await put(stage, list(encrypted(encryptor(), decisions(5))))
    await broker.start()
    await until(lambda: len(seen) == 5)
    assert [one.event for one in seen] == decisions(5)
    assert [(one.source, one.offset, one.dek_version) for one in seen] == [(f"raw/0/{n}", n, DEK) for n in range(5)]


async def test_a_refused_record_is_not_passed_over(stage: Stage, broker: KafkaBroker) -> None:
    """With NACK_ON_ERROR it is judged again, for ever, and what lies behind it waits; nothing of it is released."""
    seen: list[Any] = []
    refusals: list[tuple[str, str, int]] = []
    catching = ExceptionMiddleware()

    @catching.add_handler(RecordRefusedError)
    async def note(refused: RecordRefusedError) -> None:
        refusals.append((refused.reason, refused.path, refused.offset))
        raise refused

    broker.add_middleware(catching)

    @broker.subscriber(
        stage.encrypted,
        group_id=stage.group,
        auto_offset_reset="earliest",
        decoder=bare_decoder(),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(event: dict[str, Any]) -> None:
        seen.append(event)

    good, later = encrypted(encryptor(), decisions(2))
    await put(stage, [good, b'{"actor_id":"mara"}', later])
    await broker.start()
    await until(lambda: len(refusals) >= 3)
    await broker.stop()
    assert set(refusals) == {(ReadReason.NOT_PROTECTED, "", 1)}
    assert seen == decisions(1)


async def test_an_application_may_handle_refusals_and_go_on(stage: Stage, broker: KafkaBroker) -> None:
    """Going on is the application's own word, said in FastStream's own way."""
    seen: list[Any] = []
    refusals: list[int] = []
    catching = ExceptionMiddleware()

    @catching.add_handler(RecordRefusedError)
    async def note(refused: RecordRefusedError) -> None:
        refusals.append(refused.offset)

    broker.add_middleware(catching)

    @broker.subscriber(
        stage.encrypted,
        group_id=stage.group,
        auto_offset_reset="earliest",
        decoder=bare_decoder(),
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(event: dict[str, Any] | None) -> None:
        seen.append(event)

    good, later = encrypted(encryptor(), decisions(2))
    await put(stage, [good, b"no event", later])
    await broker.start()
    await until(lambda: len(seen) == 2)
    assert seen == decisions(2)
    assert refusals == [1]


async def test_a_subscriber_that_acknowledges_first_is_refused(stage: Stage, broker: KafkaBroker) -> None:
    """FastStream's default would commit a record before it is judged, and lose what is refused."""
    errors: list[Exception] = []
    seen: list[Any] = []
    catching = ExceptionMiddleware()

    @catching.add_handler(ConfigurationError)
    async def note(error: ConfigurationError) -> None:
        errors.append(error)

    broker.add_middleware(catching)

    @broker.subscriber(stage.encrypted, group_id=stage.group, auto_offset_reset="earliest", decoder=bare_decoder())
    async def handle(event: dict[str, Any]) -> None:
        seen.append(event)

    await put(stage, list(encrypted(encryptor(), decisions(1))))
    await broker.start()
    await until(lambda: bool(errors))
    assert "acknowledges" in str(errors[0])
    assert seen == []

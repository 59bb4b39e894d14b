"""What the reader does between fetching and handing out, without a broker."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.structs import ConsumerRecord

from aegis_stream.client.committed_marks import CommittedMarks
from aegis_stream.client.opening import KNOWN_UNKNOWN_S, Opening
from aegis_stream.client.received import EmptyRecord, ReceivedEvent, RefusedRecord
from aegis_stream.client.source_marks import SourceMarks
from aegis_stream.encryption import PIIDecryptor, Protected, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import BrokerError, BrokerUnavailableError, ReadReason
from aegis_stream.hybrid import HybridKEM

KEYS = HybridKEM.generate_keypair()


def decryptor() -> PIIDecryptor:
    """Make one of version 1."""
    return create_pii_decryptor(private_key=KEYS.private, dek_version="dek-v1-20260101")


def value(version: str = "dek-v1-20260101", *, source: str | None = None) -> bytes:
    """Return an encrypted event."""
    encryptor = create_pii_enricher(public_key=KEYS.public, dek_version=version)
    (result,) = encryptor.protect_batch([b'{"actor_id":"canary"}'], sources=None if source is None else [source])
    assert isinstance(result, Protected)
    return result.value


def record(content: bytes | None, *, offset: int = 0, key: bytes | None = None) -> ConsumerRecord[bytes, bytes]:
    """Return a record as Kafka's client gives it."""
    return ConsumerRecord("t", 0, offset, 1_000, 0, key, content, None, -1, -1, (("h", b"v"), ("empty", None)))


async def test_every_record_has_its_answer_in_its_place() -> None:
    """One for one and in order, whatever each of them is."""
    opening = Opening(decryptor(), refresh_keys=None, wait_s=1)
    records = [record(value()), record(b"no json"), record(None), record(None, key=b"k"), record(value())]
    results = await opening.open(records)

    assert [type(result) for result in results] == [
        ReceivedEvent,
        RefusedRecord,
        EmptyRecord,
        RefusedRecord,
        ReceivedEvent,
    ]
    assert isinstance(results[0], ReceivedEvent)
    assert (results[0].timestamp_ms, results[0].headers) == (1_000, (("h", b"v"), ("empty", b"")))
    assert "canary" not in repr(results)


async def test_a_version_that_was_unknown_is_asked_for_again_after_a_while() -> None:
    """A rotation may come at any time; a flood of inventions must not cost a read each."""
    now, looks = 0.0, 0

    async def look() -> None:
        nonlocal looks
        looks += 1

    opening = Opening(decryptor(), refresh_keys=look, wait_s=1, clock=lambda: now)
    for number in (2, 2, 3):
        (result,) = await opening.open([record(value(f"dek-v{number}-20260101"))])
        assert isinstance(result, RefusedRecord)
        assert result.reason is ReadReason.DEK_UNKNOWN
    assert looks == 2
    now = KNOWN_UNKNOWN_S
    await opening.open([record(value("dek-v2-20260101"))])
    assert looks == 3


async def test_what_is_remembered_of_unknown_versions_is_bounded() -> None:
    """Somebody else chooses the versions."""

    async def look() -> None:
        return

    opening = Opening(decryptor(), refresh_keys=look, wait_s=1)
    for number in range(3_000):
        opening._remember(f"dek-v{number}-20260101")
    assert len(opening._unknown) <= 1_024


async def test_a_look_that_takes_too_long_refuses_nothing() -> None:
    """Nobody knows then; the reader asks again."""

    async def look() -> None:
        await asyncio.Event().wait()

    opening = Opening(decryptor(), refresh_keys=look, wait_s=0.01)
    with pytest.raises(BrokerUnavailableError) as caught:
        await opening.open([record(value("dek-v2-20260101"))])
    assert caught.value.retryable


async def test_marks_that_cannot_be_asked_for_are_an_error() -> None:
    """Beginning without them would deliver twice."""
    stored = CommittedMarks(
        connection={"bootstrap_servers": "127.0.0.1:1"}, topic="t", group="g", open_batch=decryptor().open_batch
    )
    with pytest.raises(BrokerError):
        await stored.restore(SourceMarks(), {0})


async def test_a_look_back_begins_a_mark_anew_where_the_raw_topic_was() -> None:
    """The records before an offset that a tool has set are judged as the reader before judged them."""
    marks = SourceMarks(rewind_limit=100)
    before = CommittedMarks(connection={}, topic="t", group="g", open_batch=decryptor().open_batch)
    await before._judge(
        marks, 0, [value(source="raw/0/900"), b"no json", value(source="raw/0/3"), value(source="raw/0/4")]
    )

    assert marks.to_text(0) == "aegis-marks/1 raw/0/4"

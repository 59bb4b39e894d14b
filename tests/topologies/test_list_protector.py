"""One record list in, batches and dead letters out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.encryption import Opened, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import BrokerError, BrokerReason, WriteReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey, HybridPublicKey
from aegis_stream.sealing import OpenedRecord, SourceRecord, open_record
from tests.support.records import RAW, record, record_list
from topologies.batches import SizeLimits, batch_bytes
from topologies.list_protector import ListProtector
from topologies.side_doors import KeyRule, SideDoors
from topologies.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord

    from topologies.list_protector import Outputs

    Written = ConsumerRecord[bytes | None, bytes | None]

DEK = "dek-v1-20260101"
KEYS = HybridKEM.generate_keypair()
BATCH_BYTES = 20_000
LIMITS = SizeLimits(encrypted=60_000, dead_letter=40_000)


def protect(
    values: Sequence[bytes | Written | None],
    *,
    rule: KeyRule = KeyRule.DROP,
    limits: SizeLimits = LIMITS,
    max_output_bytes: int | None = None,
    doors: SideDoors | None = None,
) -> Outputs:
    """Protect a list with the library's own encryptor."""
    encryptor = create_pii_enricher(public_key=KEYS.public, dek_version=DEK, max_output_bytes=max_output_bytes)
    protector = ListProtector(
        new_batch=lambda: BatchBuilder(BATCH_BYTES, 0), doors=doors or SideDoors(rule, bytes(32)), limits=limits
    )
    writer = Writer(DEK, encryptor, HybridPublicKey.from_bytes(KEYS.public))
    return protector.protect(record_list(values), writer)


def written(batches: Sequence[BatchBuilder]) -> list[Written]:
    """Return what a consumer would read of these batches."""
    found: list[Written] = []
    for batch in batches:
        records = MemoryRecords(bytes(batch._build()))
        found += PartitionRecords(TopicPartition("out", 0), records, None, 0, None, None, True, 0)  # noqa: FBT003
    return found


def unsealed(letter: Written) -> OpenedRecord:
    """Open a dead letter by its headers."""
    headers = {name: (value or b"").decode() for name, value in letter.headers}
    topic, partition, offset = headers["aegis-source"].split("/")
    return open_record(
        letter.value or b"",
        decapsulate=HybridPrivateKey.from_bytes(KEYS.private).decapsulate,
        dek_public_key=KEYS.public,
        dek_version=headers["aegis-dek-version"],
        source=SourceRecord(topic, int(partition), int(offset)),
        reason=headers["aegis-reason"],
    )


def reasons(outputs: Outputs) -> list[str]:
    """Return the reasons of the dead letters, in order."""
    return [dict(letter.headers)["aegis-reason"].decode() for letter in written(outputs.dead_letters)]


def test_the_order_of_a_list_is_kept_over_batches() -> None:
    """Readers take the order within a partition for granted."""
    outputs = protect([orjson.dumps({"n": n, "actor_id": "a" * 300}) for n in range(100)])
    assert len(outputs.batches) > 2
    assert [orjson.loads(one.value or b"")["n"] for one in written(outputs.batches)] == list(range(100))
    assert not outputs.dead_letters


def test_mixed_records_keep_their_places_and_sources() -> None:
    """Those with headers are protected in another call than those without; each must get its own result."""
    outputs = protect(
        [
            record(
                orjson.dumps({"n": n, "actor_id": f"actor-{n}"}),
                offset=n,
                headers=[("h", b"x")] if n % 3 == 0 else [],
                timestamp=1_000 + n,
            )
            for n in range(20)
        ]
    )
    found = written(outputs.batches)
    decryptor = create_pii_decryptor(private_key=KEYS.private, dek_version=DEK)
    opened = decryptor.open_batch([one.value or b"" for one in found])
    assert [one.event for one in opened if isinstance(one, Opened)] == [
        {"n": n, "actor_id": f"actor-{n}"} for n in range(20)
    ]
    assert [one.source for one in opened if isinstance(one, Opened)] == [f"{RAW}/0/{n}" for n in range(20)]
    assert [one.timestamp for one in found] == [1_000 + n for n in range(20)]
    assert [bool(one.headers) for one in found] == [n % 3 == 0 for n in range(20)]


def test_a_header_or_kept_key_with_a_value_of_the_event_does_not_leave() -> None:
    """The side doors are judged with the strings of the very event."""
    doors = SideDoors(KeyRule.KEEP)
    outputs = protect(
        [
            record(
                b'{"actor_id":"alice@example.com"}', key=b"alice@example.com", headers=[("by", b"alice@example.com")]
            ),
            record(b'{"actor_id":"bob@example.com"}', offset=1, key=b"region-7", headers=[("trace", b"abc")]),
        ],
        doors=doors,
    )
    first, second = written(outputs.batches)
    assert (first.key, first.headers) == (None, ())
    assert (second.key, second.headers) == (b"region-7", (("trace", b"abc"),))
    assert doors.dropped == {"key": 1, "header": 1}


@pytest.mark.parametrize(
    ("rule", "key", "passes"),
    [
        (KeyRule.DROP, None, True),
        (KeyRule.DROP, b"k", False),
        (KeyRule.PSEUDONYM, b"k", True),
        (KeyRule.KEEP, b"k", True),
    ],
)
def test_a_record_without_a_value_passes_unless_its_key_cannot_be_judged(
    rule: KeyRule,
    key: bytes | None,
    passes: bool,  # noqa: FBT001
) -> None:
    """Tombstones keep their meaning where the operator lets keys through; elsewhere they are put aside, not lost."""
    outputs = protect([b'{"n":1}', record(None, offset=1, key=key), b'{"n":2}'], rule=rule)
    values = [one.value for one in written(outputs.batches)]
    assert len(values) == (3 if passes else 2)
    if passes:
        assert values[1] is None
        assert (written(protect([record(None, key=key)], rule=rule).batches)[0].key == b"k") is (rule is KeyRule.KEEP)
    else:
        assert reasons(outputs) == ["no-value"]
        assert unsealed(written(protect([record(None, key=key)], rule=rule).dead_letters)[0]).key == b"k"


def test_poison_is_sealed_whole_and_the_rest_passes() -> None:
    """A bad record must neither stop the stream nor be lost nor be seen."""
    headers: list[tuple[str, bytes | None]] = [("aegis-source", b"forged"), ("h", None)]
    outputs = protect([b'{"n":1}', record(b"secret, no json", offset=7, key=b"k", headers=headers), b'{"n":2}'])
    assert [orjson.loads(one.value or b"")["n"] for one in written(outputs.batches)] == [1, 2]
    (letter,) = written(outputs.dead_letters)
    assert letter.key is None
    assert dict(letter.headers)["aegis-source"] == f"{RAW}/0/7".encode()
    assert b"secret" not in (letter.value or b"")
    assert unsealed(letter) == OpenedRecord(b"k", b"secret, no json", tuple(headers))
    assert outputs.refusals == {"not-json": 1}


def test_what_is_too_large_for_the_encrypted_topic_goes_to_the_dead_letters() -> None:
    """The broker would refuse the whole batch, and everything behind it."""
    large = orjson.dumps({"actor_id": "x" * 30_000})
    limits = SizeLimits(encrypted=35_000, dead_letter=80_000)
    assert reasons(protect([b"{}", large, b"{}"], limits=limits, max_output_bytes=34_000)) == ["too-large"]
    assert reasons(protect([b"{}", large, b"{}"], limits=limits)) == ["too-large"]  # also where only the batch tells
    by_headers = record(b"{}", headers=[("h", b"x" * 36_000)])
    assert reasons(protect([by_headers], limits=limits)) == ["too-large"]


def test_a_dead_letter_that_its_topic_cannot_take_stops_everything() -> None:
    """Going on would lose the record; the operator is told the size that is needed."""
    with pytest.raises(BrokerError) as caught:
        protect([record(b"x" * 50_000, offset=41)])
    assert caught.value.reason == BrokerReason.TOPIC_SETTINGS
    assert f"{RAW}/0/41" in str(caught.value)
    assert "51,3" in caught.value.remedy


def test_headers_that_the_sealed_form_cannot_hold_do_not_stop_the_stream() -> None:
    """A header's name of over 65,535 bytes is a producer's to send; the record is kept without its headers."""
    doors = SideDoors(KeyRule.DROP)
    outputs = protect(
        [record(b"no json", headers=[("n" * 65_536, b"v")])], limits=SizeLimits(300_000, 300_000), doors=doors
    )
    assert unsealed(written(outputs.dead_letters)[0]) == OpenedRecord(None, b"no json", ())
    assert doors.dropped == {"unsealable-header": 1}


@given(
    key=st.none() | st.binary(max_size=300),
    value=st.none() | st.binary(max_size=5_000),
    headers=st.lists(st.tuples(st.text(max_size=40), st.none() | st.binary(max_size=200)), max_size=5),
    timestamp=st.integers(0, 2**62),
)
def test_the_size_that_is_tested_is_never_below_the_batch(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]], timestamp: int
) -> None:
    """Otherwise a batch is refused by the broker although it was found to fit."""
    batch = BatchBuilder(10, 0)
    batch.append(timestamp=timestamp, key=key, value=value, headers=headers)
    assert len(batch._build()) <= batch_bytes(key, value, headers) <= len(batch._build()) + 50 + 10 * len(headers)


def test_reasons_of_refusals_are_those_of_the_format() -> None:
    """Metrics and dead letters share one closed list."""
    outputs = protect([b"[]", b'{"_aegis":1}', b'{"n":1e400}', b""])
    assert reasons(outputs) == ["not-json", "has-aegis", "number", "not-json"]
    assert set(outputs.refusals) <= {reason.value for reason in WriteReason}

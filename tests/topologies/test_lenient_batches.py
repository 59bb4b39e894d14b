"""Reading batches whose header names are not UTF-8."""

from __future__ import annotations

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from tests.support.bad_names import batch_of
from topologies.lenient_batches import read_leniently

PLACE = TP("raw", 3)
GOOD = [(b"k%d" % n, b"v%d" % n, [("name", b"x"), ("ümlaut", None)]) for n in range(5)]
BAD = (b"k", b"v", [("a", b"1"), (b"\xff\xfe", b"2"), ("b", b"3")])


def strictly(raw: bytes) -> list[object]:
    """Read as aiokafka does."""
    return list(PartitionRecords(TopicPartition(*PLACE), MemoryRecords(raw), None, 0, None, None, True, 0))  # noqa: FBT003


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_good_batches_read_as_aiokafka_reads_them(codec: int) -> None:
    """None, gzip, snappy, lz4 and zstd: what is lenient must not be wrong."""
    raw = batch_of(GOOD, base=0, codec=codec) + batch_of(GOOD[:2], base=5, codec=codec)
    found = read_leniently(raw, PLACE, position=0, most=100)
    assert found.records == strictly(raw)
    assert (found.next_offset, found.dropped) == (7, 0)


@pytest.mark.parametrize("codec", [0, 4])
def test_a_header_whose_name_is_not_utf8_is_left_out_and_its_record_is_not(codec: int) -> None:
    """Aiokafka refuses the whole fetch, for ever: one record would stop the stream."""
    raw = batch_of([GOOD[0], BAD, GOOD[1]], base=10, codec=codec)
    with pytest.raises(UnicodeDecodeError):
        strictly(raw)
    found = read_leniently(raw, PLACE, position=10, most=100)
    assert [record.offset for record in found.records] == [10, 11, 12]
    assert found.records[1].headers == (("a", b"1"), ("b", b"3"))
    assert (found.records[1].key, found.records[1].value) == (b"k", b"v")
    assert found.dropped == 1


def test_records_before_the_position_are_not_taken_again() -> None:
    """A fetch gives whole batches, also where the position is within one."""
    raw = batch_of([GOOD[0], BAD, GOOD[1]], base=10)
    assert [record.offset for record in read_leniently(raw, PLACE, position=12, most=100).records] == [12]


def test_whole_batches_are_taken_until_there_are_enough() -> None:
    """The position goes behind a batch, so none may be taken in part."""
    raw = batch_of(GOOD, base=0) + batch_of(GOOD, base=5)
    found = read_leniently(raw, PLACE, position=0, most=3)
    assert (len(found.records), found.next_offset) == (5, 5)


def test_a_batch_that_was_cut_off_is_left_for_the_next_fetch() -> None:
    """Brokers cut where the fetch is full."""
    first, second = batch_of(GOOD, base=0), batch_of(GOOD, base=5)
    for length in range(len(second)):
        found = read_leniently(first + second[:length], PLACE, position=0, most=100)
        assert (len(found.records), found.next_offset) == (5, 5)


@given(where=st.integers(21, 400), change=st.integers(1, 255))
def test_a_changed_byte_is_found_by_the_checksum(where: int, change: int) -> None:
    """Leniency is for names that were sent so, not for what was damaged."""
    raw = bytearray(batch_of(GOOD * 4, base=0))
    raw[where] ^= change
    with pytest.raises(CorruptRecordException):
        read_leniently(bytes(raw), PLACE, position=0, most=100)

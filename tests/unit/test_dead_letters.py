"""Letters, marks and what follows from both, without a broker."""

from __future__ import annotations

import datetime as dt

import orjson
import pytest
from aiokafka import ConsumerRecord

from aegis_stream.client.dead_letters.batches import BATCH_LETTERS, batches_of
from aegis_stream.client.dead_letters.letter import Letter, Place, letter_of, parse_source
from aegis_stream.client.dead_letters.marks import Mark, MarkState, mark_of
from aegis_stream.client.dead_letters.raw_writer import Attempt
from aegis_stream.client.dead_letters.settling import settled
from aegis_stream.client.dead_letters.survey import LetterState, Standing, Surveyor
from aegis_stream.errors import LetterReason, LetterRefusedError, ReadReason, WriteReason
from aegis_stream.sealing import OpenedRecord, SourceRecord

AT = dt.datetime(2026, 3, 1, 12, 0, 0, tzinfo=dt.UTC)
ID = "aegis.raw/3/17"
ATTEMPT = "0123456789abcdef" * 2
MARKS = [
    Mark(id=ID, state=MarkState.REPLAYING, at=AT, attempt=ATTEMPT, from_offset=99),
    Mark(id=ID, state=MarkState.REPLAYED, at=AT, replayed_offset=99),
    Mark(id=ID, state=MarkState.DISCARDED, at=AT),
    Mark(id=ID, state=MarkState.DISCARDED, at=AT, note="test data"),
]
HEADERS = (
    ("aegis-dek-version", b"dek-v1-20260101"),
    ("aegis-source", ID.encode()),
    ("aegis-reason", b"not-json"),
)


def sealed(
    headers: tuple[tuple[str, bytes | None], ...] = HEADERS, *, key: bytes | None = None, value: bytes | None = b"xyz"
) -> ConsumerRecord[bytes | None, bytes | None]:
    """Return a record of the dead-letter topic."""
    return ConsumerRecord("aegis.dead-letter", 3, 5, 1_700_000_000_000, 0, key, value, None, 0, 0, headers)


def letter(
    partition: int = 3, offset: int = 17, *, reason: WriteReason = WriteReason.NOT_JSON, size: int = 9
) -> Letter:
    """Return a letter."""
    source = SourceRecord("aegis.raw", partition, offset)
    return Letter(
        source=source,
        reason=reason,
        dek_version="dek-v1-20260101",
        place=Place(partition, offset),
        sealed_at_ms=0,
        size=size,
    )


def test_a_letter_is_read_from_its_headers_alone() -> None:
    """Without a key there is nothing else to read, and nothing else is needed."""
    assert letter_of(sealed()) == Letter(
        source=SourceRecord("aegis.raw", 3, 17),
        reason=WriteReason.NOT_JSON,
        dek_version="dek-v1-20260101",
        place=Place(3, 5),
        sealed_at_ms=1_700_000_000_000,
        size=3,
    )


@pytest.mark.parametrize(
    "record",
    [
        sealed(key=b"k"),
        sealed(value=None),
        sealed(HEADERS[:2]),
        sealed((*HEADERS, ("more", b""))),
        sealed((*HEADERS, HEADERS[0])),
        sealed((*HEADERS[:2], ("aegis-reason", b"because"))),
        sealed((*HEADERS[:2], ("aegis-reason", None))),
        sealed((HEADERS[0], ("aegis-source", b"aegis.raw/03/17"), HEADERS[2])),
        sealed((HEADERS[0], ("aegis-source", "\u00e9/3/17".encode()), HEADERS[2])),
        sealed((("aegis-dek-version", b"dek-v0-20260101"), *HEADERS[1:])),
    ],
)
def test_what_has_not_the_form_of_a_letter_is_none(record: ConsumerRecord[bytes | None, bytes | None]) -> None:
    """Anybody who may write to the topic could put it there; it is counted and goes nowhere."""
    assert letter_of(record) is None


@pytest.mark.parametrize("text", ["", "3/17", "a/b/1", "a/1/-1", "a/1/1 ", "a b/1/1", "a/1/" + "9" * 20])
def test_sources_have_one_form(text: str) -> None:
    """An id that could be written in two ways could be marked twice."""
    assert parse_source(text) is None


@pytest.mark.parametrize("mark", MARKS, ids=lambda mark: mark.state.value)
def test_marks_are_read_as_they_were_written(mark: Mark) -> None:
    """And none with a member too many, too few, or under another's key."""
    raw = mark.to_bytes()
    assert mark_of(ID.encode(), raw) == mark
    assert mark_of(b"aegis.raw/3/18", raw) is None
    shape = orjson.loads(raw)
    assert mark_of(ID.encode(), orjson.dumps(shape | {"extra": 1})) is None
    assert mark_of(ID.encode(), orjson.dumps(shape | {"v": 2})) is None
    for name in shape.keys() - {"note"}:
        assert mark_of(ID.encode(), orjson.dumps({key: value for key, value in shape.items() if key != name})) is None


def test_other_records_of_the_state_topic_are_no_marks() -> None:
    """Foreign keys and values do nothing."""
    for key, value in ((None, b"{}"), (ID.encode(), None), (ID.encode(), b"no json"), (b"\xff", b"{}")):
        assert mark_of(key, value) is None
    elsewhere = Mark(id="no place", state=MarkState.DISCARDED, at=AT)
    assert mark_of(b"no place", elsewhere.to_bytes()) is None


def test_the_last_mark_counts_and_one_that_cannot_be_read_keeps_the_letter_from_being_replayed() -> None:
    """A later version may know a state that this one does not: what is not understood is left alone."""
    states = []
    surveyor = Surveyor()
    surveyor.saw_letter(letter())
    surveyor.saw_letter(letter())
    surveyor.saw_letter(None)
    for key, value in ((ID, MARKS[0].to_bytes()), (ID, None), (ID, MARKS[1].to_bytes()), (ID, b'{"v":2}')):
        surveyor.saw_mark(key.encode(), value, mark_of(key.encode(), value))
        survey = surveyor.survey()
        states.append(survey.standings[0].state)
    assert states == [
        LetterState.INTERRUPTED,
        LetterState.PENDING,
        LetterState.REPLAYED,
        LetterState.UNKNOWN_MARK,
    ]
    assert (survey.standings[0].copies, survey.foreign) == (2, 1)


def test_letters_are_chosen_by_id_reason_or_all() -> None:
    """Only what is open is chosen in bulk; what is named is found, and in the order of the sources."""
    surveyor = Surveyor()
    for each in (letter(1, 10), letter(0, 9), letter(0, 2, reason=WriteReason.TOO_LARGE), letter(2, 1)):
        surveyor.saw_letter(each)
    surveyor.saw_mark(b"aegis.raw/2/1", b"", Mark(id="aegis.raw/2/1", state=MarkState.DISCARDED, at=AT))
    survey = surveyor.survey()

    def chosen(*ids: str, reasons: tuple[WriteReason, ...] = (), everything: bool = False) -> list[str]:
        found = survey.select(ids=ids, topic="aegis.raw", reasons=reasons, everything=everything)
        return [each.letter.id.removeprefix("aegis.raw/") for each in found]

    assert chosen(everything=True) == ["0/2", "0/9", "1/10"]
    assert chosen(reasons=(WriteReason.TOO_LARGE,)) == ["0/2"]
    assert chosen("2/1", "aegis.raw/0/9", "0/9") == ["0/9", "2/1"]
    assert survey.open_by_reason == {WriteReason.NOT_JSON: 2, WriteReason.TOO_LARGE: 1}
    with pytest.raises(LetterRefusedError) as refused:
        chosen("other.topic/0/9")
    assert refused.value.letter_reason is LetterReason.UNKNOWN


@pytest.mark.parametrize(
    ("found", "held", "state"),
    [
        (120, (0, 500), LetterState.REPLAYED),
        (None, (0, 500), LetterState.PENDING),
        (None, (99, 99), LetterState.PENDING),
        (None, (100, 500), LetterState.UNCERTAIN),
        (None, (0, 50), LetterState.UNCERTAIN),
        (120, (100, 500), LetterState.REPLAYED),
    ],
)
def test_an_interrupted_letter_is_decided_by_what_the_raw_topic_still_holds(
    found: int | None, held: tuple[int, int], state: LetterState
) -> None:
    """Where what was written may be gone (or the topic was made anew) nobody can know."""
    standing = Standing(letter=letter(), copies=1, state=LetterState.INTERRUPTED, mark=MARKS[0])
    decided = settled(standing, found, held=held, now=AT)
    assert decided.state is state
    assert (decided.mark is None) == (state is LetterState.PENDING)


def test_letters_are_written_in_the_order_of_their_sources() -> None:
    """By number, not by text, a partition after the other, within what is held in memory at once."""
    many = [letter(0, offset) for offset in range(BATCH_LETTERS + 5)]
    large = [letter(1, offset, size=5 << 20) for offset in (20, 3)]
    batches = [
        (partition, [each.source.offset for each in batch]) for partition, batch in batches_of(large + many[::-1])
    ]
    assert batches == [
        (0, list(range(BATCH_LETTERS))),
        (0, list(range(BATCH_LETTERS, BATCH_LETTERS + 5))),
        (1, [3]),
        (1, [20]),
    ]


def test_a_replayed_record_tells_its_own_attempt_only() -> None:
    """A record that was refused again after a replay still has the header of that one inside."""
    record = OpenedRecord(b"k", b"v", (("aegis-replay", b"old"), ("trace", None), ("trace", b"1")))
    attempt = Attempt(record, ATTEMPT)
    assert attempt.headers == [("trace", None), ("trace", b"1"), ("aegis-replay", ATTEMPT.encode())]
    assert attempt.size > len(ATTEMPT) + 61


def test_reasons_of_letters_cover_what_reader_keys_refuse() -> None:
    """A reason of the keyring that is no reason here would be a crash in front of an operator."""
    judged = {reason for reason in ReadReason if reason.value.startswith("dek-")}
    assert {reason.value for reason in judged} <= {reason.value for reason in LetterReason}

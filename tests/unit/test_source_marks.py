"""The once-only rule, case by case."""

from __future__ import annotations

import pytest

from aegis_stream.client.source_marks import TEXT_LIMIT, Source, SourceMarks, Verdict
from aegis_stream.errors import EventUnreadableError, ReadReason


def test_what_is_not_above_the_mark_is_a_repeat() -> None:
    """A restarted enricher writes its tail again."""
    marks = SourceMarks()
    verdicts = [marks.judge(0, f"raw/0/{offset}") for offset in (5, 6, 9, 6, 9, 10)]

    assert verdicts == [Verdict.DELIVER] * 3 + [Verdict.REPEAT] * 2 + [Verdict.DELIVER]


def test_events_without_a_source_are_always_new() -> None:
    """Library use has no raw topic, so nothing says that an event is a repeat."""
    marks = SourceMarks()

    assert [marks.judge(0, None) for _ in range(3)] == [Verdict.DELIVER] * 3


def test_partitions_and_topics_have_marks_of_their_own() -> None:
    """One partition's high offsets must not swallow another's low ones."""
    marks = SourceMarks()
    marks.judge(0, "raw/0/900")

    assert marks.judge(1, "raw/1/3") is Verdict.DELIVER
    assert marks.judge(0, "other/0/3") is Verdict.DELIVER
    assert marks.judge(1, "raw/0/900") is Verdict.DELIVER


def test_a_raw_topic_made_anew_is_refused_and_never_dropped() -> None:
    """Dropping its events as repeats would lose them all in silence."""
    marks = SourceMarks(rewind_limit=100)
    marks.judge(0, "raw/0/1000")

    assert marks.judge(0, "raw/0/900") is Verdict.REPEAT
    with pytest.raises(EventUnreadableError) as caught:
        marks.judge(0, "raw/0/899")
    assert caught.value.reason == ReadReason.SOURCE_REWOUND

    marks.accept_rewind(0)
    assert marks.judge(0, "raw/0/0") is Verdict.DELIVER
    assert marks.judge(0, "raw/0/0") is Verdict.REPEAT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "raw",
        "raw/0",
        "raw/0/",
        "raw/0/-1",
        "raw/00/1",
        "raw/0/01",
        "raw/0/1/2",
        "r w/0/1",
        "raw/0/1 ",
        "raw/0/²",
        "/0/1",
    ],
)
def test_a_source_of_another_form_is_refused(text: str) -> None:
    """A mark from a text that can be read two ways could hide an event."""
    with pytest.raises(EventUnreadableError) as caught:
        SourceMarks().judge(0, text)
    assert (caught.value.reason, caught.value.path) == (ReadReason.MALFORMED, "/_aegis/src")


def test_source_is_split_from_its_text() -> None:
    """Topic names may hold dots, hyphens and underscores."""
    assert Source.parse("aegis.raw-2_x/31/9223372036854775807") == ("aegis.raw-2_x", 31, 9_223_372_036_854_775_807)


def test_marks_survive_as_text() -> None:
    """They are kept beside the committed offset."""
    marks = SourceMarks()
    marks.judge(2, "raw/2/10")
    marks.judge(2, "other/0/7")
    again = SourceMarks()

    assert again.restore(2, marks.to_text(2))
    assert [again.judge(2, source) for source in ("raw/2/10", "other/0/7")] == [Verdict.REPEAT] * 2
    assert again.judge(2, "raw/2/11") is Verdict.DELIVER


@pytest.mark.parametrize("text", ["", "aegis-marks/1", "aegis-marks/2 raw/0/1", "aegis-marks/1 raw/0", "raw/0/1", "{}"])
def test_foreign_metadata_is_no_mark(text: str) -> None:
    """Tools that set a group's offsets write their own metadata, or none."""
    marks = SourceMarks()

    assert not marks.restore(0, text)
    assert marks.to_text(0) == ""


def test_a_given_up_partition_is_forgotten() -> None:
    """Another reader moves its mark on; an old one would hide what that reader left."""
    marks = SourceMarks()
    marks.judge(0, "raw/0/50")
    marks.forget(0)

    assert marks.judge(0, "raw/0/20") is Verdict.DELIVER


def test_more_marks_than_fit_are_not_kept_in_part() -> None:
    """Half of the marks would be worse than none: the record before the offset is read instead."""
    marks = SourceMarks()
    for number in range(TEXT_LIMIT // 4):
        marks.judge(0, f"topic-{number}/0/1")

    assert marks.to_text(0) == ""

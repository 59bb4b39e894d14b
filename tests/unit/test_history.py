"""What is counted of history, which part of it is read, and when a version can be destroyed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from aegis_stream.cli._bounds import bound
from aegis_stream.client.claimed_version import event_version, record_version
from aegis_stream.client.history import UNLIMITED, Destroyable, TopicHistory, judge_version
from aegis_stream.client.spans import Bound, Span, clip
from aegis_stream.errors import ConfigurationError
from aegis_stream.wire import DekVersion

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
V1, V2 = "dek-v1-20260101", "dek-v2-20260401"


@dataclass
class Record:
    """As much of a Kafka record as is looked at."""

    value: bytes | None
    timestamp: int = NOW_MS
    headers: tuple[tuple[str, bytes | None], ...] = ()


def event(version: str) -> bytes:
    """Return the shape of an event."""
    return b'{"n":1,"_aegis":{"dek":"%s"}}' % version.encode()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"no json",
        b"[1]",
        b"{}",
        b'{"_aegis":1}',
        b'{"_aegis":{}}',
        b'{"_aegis":{"dek":7}}',
        event("dek-v1-20261301"),
    ],
)
def test_no_version_is_read_where_none_of_its_form_stands(value: bytes | None) -> None:
    """Anybody may write anything; counting must not stop at it."""
    assert event_version(value) is None


def test_sealed_records_tell_their_version_in_a_header() -> None:
    """And an event cannot be hidden behind such a header."""
    header = (("aegis-dek-version", V2.encode()),)
    assert record_version(Record(b"\x11d sealed", headers=header)) == DekVersion.parse(V2)
    assert record_version(Record(event(V1), headers=header)) == DekVersion.parse(V1)
    assert record_version(Record(b"\x11d sealed")) is None
    assert record_version(Record(b"\x11d sealed", headers=(("aegis-dek-version", b"\xff"),))) is None


def history(retention_ms: int, *records: Record) -> TopicHistory:
    """Count records."""
    found = TopicHistory("t", retention_ms)
    for record in records:
        found.add(record, now_ms=NOW_MS)
    return found


def test_a_version_can_be_destroyed_when_the_last_record_is_past_its_retention() -> None:
    """Not before, also where most are; what is left on the disk after that is owed to nobody."""
    week = 7 * DAY_MS
    old, young = Record(event(V1), NOW_MS - week), Record(event(V1), NOW_MS - DAY_MS)
    found = history(week, old, young, Record(event(V2)), Record(b"?"))
    assert (found.records, found.unversioned, found.tally(V1).records, found.tally(V1).remaining) == (4, 1, 2, 1)
    verdict = judge_version(V1, [found])
    assert (verdict.when, verdict.remaining) == (Destroyable.LATER, 1)
    assert verdict.at == dt.datetime.fromtimestamp((NOW_MS + 6 * DAY_MS) / 1000 + 1, dt.UTC)
    assert judge_version(V1, [history(week, old)]).when is Destroyable.NOW
    assert judge_version("dek-v3-20260701", [found]).when is Destroyable.NOW


def test_a_topic_that_keeps_for_ever_never_lets_go() -> None:
    """Then only a re-encryption helps; and open dead letters must be answered first."""
    ages_ago = Record(event(V1), 0)
    verdict = judge_version(V1, [history(UNLIMITED, ages_ago), history(DAY_MS, Record(event(V1)))])
    assert (verdict.when, verdict.remaining, verdict.at) == (Destroyable.NEVER, 2, None)
    assert judge_version(V1, [], open_letters=3).when is Destroyable.LETTERS
    assert verdict.but(Destroyable.DESTROYED).remaining == 2


def test_spans_stay_within_what_the_topic_holds() -> None:
    """Bounds may lie outside of it, and before each other."""
    held = {0: Span(10, 50), 1: Span(0, 5), 2: Span(7, 7)}
    assert clip(available=held, begin={0: 3}, end={0: 20, 1: 99}) == {0: Span(10, 20), 1: Span(0, 5), 2: Span(7, 7)}
    assert clip(available=held, begin={0: 30}, end={0: 20})[0] == Span(30, 30)
    with pytest.raises(ConfigurationError, match="no partition 3"):
        clip(available=held, begin={3: 0}, end={})


def test_bounds_are_read_from_options() -> None:
    """A day means its beginning in UTC; other forms are refused with an example."""
    assert bound(None, None) == Bound()
    assert not Bound().given
    assert bound("0=5,12=7", None) == Bound(offsets={0: 5, 12: 7})
    assert bound(None, "2026-03-01").time == dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert bound(None, "2026-03-01T12:00:00+02:00").time == dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
    for offsets, time in (("5", None), ("0=5,", None), ("0=-1", None), (None, "yesterday"), ("0=1", "2026-03-01")):
        with pytest.raises(ConfigurationError):
            bound(offsets, time)

"""What the dashboard makes of dead letters and of enrichers' metrics, without a broker."""

from __future__ import annotations

import datetime as dt
import http.server
import threading
from typing import TYPE_CHECKING

import pytest

from aegis_stream.client.dead_letters import Mark, MarkState
from aegis_stream.dashboard.dead_letter_counts import DeadLetterCounts, MarkCounts
from aegis_stream.dashboard.enricher_watch import EnricherWatch, parse
from tests.support.records import record
from topologies.metrics import EnricherMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_dead_letters_are_counted_by_closed_reasons_and_real_partitions() -> None:
    """Whoever may write to the topic can forge headers, and must not grow the page or our memory with them."""
    counts = DeadLetterCounts()
    for partition, reason in [(0, b"not-json"), (1, b"not-json"), (1, b"too-deep"), (1, b"<script>"), (1, None)]:
        headers = (("aegis-reason", reason), ("aegis-source", b"x/999/1"))
        counts.note(record(b"", partition=partition, timestamp=2**62, headers=headers))
    counts.note(record(b"", timestamp=-1))
    shape = counts.shape()
    assert (shape["partitions"], shape["total"], shape["newest"]) == ([0, 1], 6, "2100-01-01T00:00:00Z")
    assert {row["reason"]: row["partitions"] for row in shape["rows"]} == {
        "not-json": [1, 1],
        "other": [1, 2],
        "too-deep": [0, 1],
    }


def test_marks_tell_what_became_of_letters() -> None:
    """The last mark of a letter counts; what is no mark is passed over."""
    counts = MarkCounts()
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    replaying = Mark(id="raw/0/1", state=MarkState.REPLAYING, at=at, attempt="0" * 32, from_offset=1)
    replayed = Mark(id="raw/0/1", state=MarkState.REPLAYED, at=at, replayed_offset=5)
    discarded = Mark(id="raw/0/2", state=MarkState.DISCARDED, at=at, note="test data")
    for mark in (replaying, discarded, replayed):
        counts.note(record(mark.to_bytes(), key=mark.id.encode()))
    counts.note(record(b"nonsense", key=b"raw/0/3"))
    counts.note(record(None, key=b"raw/0/3"))
    assert counts.shape() == {"replaying": 0, "replayed": 1, "discarded": 1}


class _Doors:
    """What is dropped: nothing."""

    dropped: dict[str, int] = {}  # noqa: RUF012 - never changed


def test_an_enricher_is_read_from_its_own_metrics() -> None:
    """From what the enricher's code writes, so that a metric that is renamed there is missed here."""
    metrics = EnricherMetrics(_Doors())  # type: ignore[arg-type]  # nothing was dropped
    metrics._events.inc(7)
    metrics._fields.labels("actor_id", "high").inc(3)
    metrics._fields.labels("author_id", "high").inc(2)
    metrics._refused.labels("not-json").inc(4)
    metrics._dek.labels("dek-v1-20260301").set(1)
    metrics.show_lag({0: 5, 10: 1, 2: 0})
    metrics.ready.set(1)
    metrics.manifest_sequence.set(9)
    reading = parse(metrics.text().decode())
    assert (reading.events, reading.fields, reading.ready, reading.version) == (7, 5, 1, "dek-v1-20260301")
    assert {reason: count for reason, count in reading.refused.items() if count} == {"not-json": 4}
    assert (reading.lag, reading.manifest_sequence) == ({"0": 5, "2": 0, "10": 1}, 9)
    for other in ("", "<html>", "up 1\n"):
        with pytest.raises(ValueError, match=r"."):
            parse(other)


class _Answers(http.server.BaseHTTPRequestHandler):
    """Answers with what the test put there."""

    body = b""
    status = 200

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answering() -> Iterator[str]:
    """Serve metrics."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_rates_are_those_of_the_last_ten_seconds(answering: str) -> None:
    """And begin anew when the enricher was started anew; an address is asked as it stands."""
    now = [0.0]
    watch = EnricherWatch(answering, clock=lambda: now[0])
    for at, events in [(0, 0), (2, 10), (8, 100), (14, 700), (16, 900)]:
        now[0], _Answers.body = float(at), f"aegis_enricher_events_total {events}\n".encode()
        await watch.ask()
    assert (watch.up, watch.rates()) == (True, (100.0, 0.0))
    now[0], _Answers.body = 18.0, b"aegis_enricher_events_total 5\n"
    await watch.ask()
    assert watch.rates() == (0.0, 0.0)
    _Answers.body = b"something else"
    await watch.ask()
    assert watch.problem == "answered with something that is no page of metrics"
    try:
        _Answers.status = 302
        await watch.ask()
        assert watch.problem == "answered with status 302"
    finally:
        _Answers.status = 200
    assert watch.shape()["events"] == 5  # what it said last
    gone = EnricherWatch("http://127.0.0.1:1")
    await gone.ask()
    assert gone.shape()["problem"] == "nobody answers"

"""The seeded generator of governance events."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import orjson

from aegis_stream.generator import EventKind, generate_events
from aegis_stream.pii import PII_FIELDS


def test_one_seed_gives_the_same_events() -> None:
    """A benchmark and a bug report both name a seed and mean the same bytes by it."""
    assert list(generate_events(seed=7, count=200)) == list(generate_events(seed=7, count=200))
    assert list(generate_events(seed=7, count=20)) != list(generate_events(seed=8, count=20))


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    """Asking for more events must not change those that were there."""
    assert list(generate_events(seed=3, count=50)) == list(islice(generate_events(seed=3), 50))


def test_all_six_kinds_occur() -> None:
    """The demo and the tests rely on seeing every kind without waiting long."""
    kinds = Counter(event["event_type"] for event in generate_events(count=300))

    assert set(kinds) == set(EventKind)


def test_events_of_a_workflow_keep_their_order() -> None:
    """A decision before its request would be no realistic input for anybody's reader."""
    requested: set[str] = set()
    signatures: Counter[str] = Counter()
    for event in generate_events(seed=5, count=3_000):
        override = event.get("override_id", "")
        if event["event_type"] == EventKind.OVERRIDE_REQUESTED:
            requested.add(override)
        elif event["event_type"] == EventKind.OVERRIDE_SIGNED:
            assert override in requested
            signatures[override] += 1
        elif event["event_type"] == EventKind.OVERRIDE_DECIDED:
            assert signatures[override] == 2


def test_sparsity_is_mixed_by_default() -> None:
    """Real events hold few of the twelve fields each, and together all of them."""
    present = [PII_FIELDS.keys() & event.keys() for event in generate_events(count=500)]

    assert {1, 2, 3} <= {len(names) for names in present}
    assert max(len(names) for names in present) < 12
    assert set().union(*present) == set(PII_FIELDS)


def test_all_fields_means_twelve_and_about_one_kilobyte() -> None:
    """The benchmarks' figures are for such events."""
    events = list(generate_events(count=200, all_fields=True))

    assert all(event.keys() >= PII_FIELDS.keys() for event in events)
    assert all(1_000 <= len(orjson.dumps(event)) <= 1_300 for event in events)


def test_event_ids_are_unique() -> None:
    """Tests compare what was read with what was sent by event_id."""
    events = list(generate_events(count=5_000))

    assert len({event["event_id"] for event in events}) == len(events)

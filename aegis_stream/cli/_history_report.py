"""What `aegis history` shows: counts by DEK version, and what was refused."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from aegis_stream.client.history import UNLIMITED, Destroyable, judge_version
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from aegis_stream.client.history import Tally, TopicHistory, Verdict
    from aegis_stream.client.refused import RefusedPlace
    from aegis_stream.client.remaining import Remains
    from aegis_stream.keyring.manifest import Manifest

_DAY_MS = 86_400_000


def as_json(remains: Remains, manifest: Manifest | None, now: dt.datetime) -> dict[str, Any]:
    """Return the report as one object; times are UTC seconds, `state` null where the manifest names no such DEK."""
    return {
        "at": time_text(now.replace(microsecond=0)),
        "topics": [_topic_json(topic) for topic in remains.topics],
        "open_dead_letters": dict(sorted(remains.letters.items())),
        "versions": [_version_json(version, remains, manifest) for version in _versions(remains, manifest)],
    }


def _topic_json(topic: TopicHistory) -> dict[str, Any]:
    return {
        "topic": topic.topic,
        "retention_ms": topic.retention_ms,
        "records": topic.records,
        "without_version": topic.unversioned,
        "by_version": {version.text: _tally_json(tally) for version, tally in sorted(topic.by_version.items(), key=_n)},
    }


def _n(item: tuple[DekVersion, Tally]) -> tuple[int, str]:
    return item[0].n, item[0].text


def _tally_json(tally: Tally) -> dict[str, Any]:
    return {
        "records": tally.records,
        "bytes": tally.bytes,
        "past_retention": tally.expired,
        "oldest": _moment(tally.oldest_ms),
        "newest": _moment(tally.newest_ms),
    }


def _version_json(version: DekVersion, remains: Remains, manifest: Manifest | None) -> dict[str, Any]:
    state, verdict = _judged(version, remains, manifest)
    return {
        "version": version.text,
        "state": None if state is None else state.value,
        "remaining": verdict.remaining,
        "open_dead_letters": remains.letters[version.text],
        "destroyable": verdict.when.value,
        "destroyable_at": None if verdict.at is None else time_text(verdict.at),
    }


def _versions(remains: Remains, manifest: Manifest | None) -> list[DekVersion]:
    known = {version.text: version for topic in remains.topics for version in topic.by_version}
    known |= {text: DekVersion.parse(text) for text in remains.letters}
    if manifest is not None:
        known |= {entry.version.text: entry.version for entry in manifest.deks}
    return sorted(known.values(), key=lambda version: (version.n, version.text))


def _judged(version: DekVersion, remains: Remains, manifest: Manifest | None) -> tuple[DekState | None, Verdict]:
    """Return a version's state, and when it can be destroyed without loss."""
    entry = None if manifest is None else manifest.dek(version.text)
    verdict = judge_version(version.text, remains.topics, open_letters=remains.letters[version.text])
    if entry is not None and entry.state is DekState.ACTIVE:
        verdict = verdict.but(Destroyable.ACTIVE)
    if entry is not None and entry.state is DekState.DESTROYED:
        verdict = verdict.but(Destroyable.DESTROYED)
    return (None if entry is None else entry.state), verdict


def print_report(remains: Remains, manifest: Manifest | None, now: dt.datetime) -> None:
    """Print a table a topic, then one of versions with what may be done to them."""
    lines = Console(soft_wrap=True, highlight=False)
    console = Console(soft_wrap=False, highlight=False)
    for topic in remains.topics:
        kept = "for ever" if topic.retention_ms == UNLIMITED else f"for {topic.retention_ms / _DAY_MS:g} days"
        lines.print(f"{topic.topic}: {topic.records:,} records, kept {kept}")
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("version", "records", "past retention", "bytes", "oldest", "newest"):
            table.add_column(
                title, overflow="fold", justify="left" if title in {"version", "oldest", "newest"} else "right"
            )
        for version, tally in sorted(topic.by_version.items(), key=_n):
            counts = (f"{count:,}" for count in (tally.records, tally.expired, tally.bytes))
            table.add_row(version.text, *counts, _moment(tally.oldest_ms), _moment(tally.newest_ms))
        if topic.unversioned:
            table.add_row("without one", f"{topic.unversioned:,}")
        console.print(table)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("version", "state", "remaining", "open dead letters", "can be destroyed without loss"):
        table.add_column(
            title, overflow="fold", justify="right" if title in {"remaining", "open dead letters"} else "left"
        )
    for version in _versions(remains, manifest):
        state, verdict = _judged(version, remains, manifest)
        letters = f"{remains.letters[version.text]:,}"
        table.add_row(version.text, state or "?", f"{verdict.remaining:,}", letters, _words(verdict))
    console.print(table)
    lines.print(f"counted at {time_text(now.replace(microsecond=0))}, without opening anything")


def _words(verdict: Verdict) -> str:
    match verdict.when:
        case Destroyable.NOW:
            return "now"
        case Destroyable.LATER if verdict.at is not None:
            return f"from {time_text(verdict.at)}, or after `aegis run reencryptor`"
        case Destroyable.LETTERS:
            return "once its dead letters are replayed or discarded"
        case Destroyable.ACTIVE:
            return "no: it is active"
        case Destroyable.DESTROYED:
            return "it is destroyed; what remains is lost" if verdict.remaining else "it is destroyed"
        case _:
            return "after `aegis run reencryptor`: its topic keeps records for ever"


def print_refused(places: list[RefusedPlace]) -> None:
    """Print a line a record, and how many of each reason."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    for place in places:
        console.print(f"{place.source} {place.reason}, sealed under {place.sealed_under}")
    for reason, count in sorted(Counter(place.reason for place in places).items()):
        console.print(f"{count:,} {reason}")
    if not places:
        console.print("nothing was refused")


def _moment(milliseconds: int) -> str:
    return time_text(dt.datetime.fromtimestamp(milliseconds // 1000, dt.UTC))

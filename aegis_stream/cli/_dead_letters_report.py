"""What `aegis dead-letters` prints: tables for people, JSON for tools."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console
from rich.table import Table

from aegis_stream.client.dead_letters.letter import source_text
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.sealing import SourceRecord
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.client.dead_letters import Done, Standing, Survey
    from aegis_stream.sealing import OpenedRecord


def standing_shape(standing: Standing, *, dead_letter_topic: str) -> dict[str, Any]:
    """Return one letter with what became of it; nothing in it is secret."""
    letter, mark = standing.letter, standing.mark
    shape: dict[str, Any] = {
        "id": letter.id,
        "state": standing.state.value,
        "reason": letter.reason.value,
        "dek_version": letter.dek_version,
        "sealed_at": _time(letter.sealed_at_ms),
        "sealed_bytes": letter.size,
        "copies": standing.copies,
        "place": f"{dead_letter_topic}/{letter.place.partition}/{letter.place.offset}",
    }
    if mark is not None:
        shape["marked_at"] = time_text(mark.at)
        if mark.replayed_offset is not None:
            shape["replayed_as"] = _replayed_as(letter.source, mark.replayed_offset)
        if mark.note is not None:
            shape["note"] = mark.note
    return shape


def survey_shape(survey: Survey, shown: Sequence[Standing], *, dead_letter_topic: str) -> dict[str, Any]:
    """Return counts, and the letters that are shown."""
    return {
        "states": {state.value: count for state, count in sorted(survey.by_state.items())},
        "open_reasons": {reason.value: count for reason, count in sorted(survey.open_by_reason.items())},
        "foreign_records": survey.foreign,
        "letters": [standing_shape(each, dead_letter_topic=dead_letter_topic) for each in shown],
    }


def print_survey(survey: Survey, shown: Sequence[Standing]) -> None:
    """Print the letters, and how many there are of each reason and state."""
    console = Console(soft_wrap=False, markup=False, highlight=False)
    if shown:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("letter", "reason", "state", "DEK", "sealed at", "copies"):
            table.add_column(title, overflow="fold")
        for each in shown:
            letter = each.letter
            row = (letter.id, letter.reason, each.state, letter.dek_version, _time(letter.sealed_at_ms), each.copies)
            table.add_row(*(str(cell) for cell in row))
        console.print(table)
        console.print()
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(survey.open_by_reason.items()))
    console.print(f"open: {reasons or 'none'}")
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(survey.by_state.items()))
    console.print(f"all: {states or 'none'}")
    if survey.foreign:
        console.print(f"records that are no dead letters: {survey.foreign:,}")


def print_standing(shape: dict[str, Any]) -> None:
    """Print one letter, a line a member; a record as JSON, which lets no control character through to the terminal."""
    console = Console(soft_wrap=True, markup=False, highlight=False)
    for name, value in shape.items():
        told = orjson.dumps(value).decode() if isinstance(value, dict) else value
        console.print(f"{name.replace('_', ' ')}: {told}")


def record_shape(record: OpenedRecord) -> dict[str, Any]:
    """Return an opened record, the plaintext itself: text where it is UTF-8, else {"base64": …}."""
    return {
        "key": _shown(record.key),
        "value": _shown(record.value),
        "headers": [[name, _shown(value)] for name, value in record.headers],
    }


def done_shape(done: Done, *, word: str) -> dict[str, Any]:
    """Return what was done with one letter; `word` is what it is called where it was done."""
    shape: dict[str, Any] = {"id": done.letter.id, "outcome": word}
    if done.offset is not None:
        shape["replayed_as"] = _replayed_as(done.letter.source, done.offset)
    if done.refusal is not None:
        shape |= {"outcome": "refused", "reason": done.refusal.reason, "message": str(done.refusal)}
    return shape


def _shown(value: bytes | None) -> object:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value)}


def _replayed_as(source: SourceRecord, offset: int) -> str:
    return source_text(SourceRecord(source.topic, source.partition, offset))


def _time(milliseconds: int) -> str:
    return time_text(dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC))

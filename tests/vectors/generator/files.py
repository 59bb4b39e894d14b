"""The files: their names, their text, and the form in which long or odd raw documents are kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.second_decoder.frames import b64

from . import bad_events, bad_fields, bad_input, bad_tags, events, keys, material, records, texts

if TYPE_CHECKING:
    from .material import Object

FOLDER = Path(__file__).parent.parent
_RUN = re.compile(r"(.)\1{999,}", re.DOTALL)


def shrink(raw: str | bytes) -> object:
    """Keep a document as text; as `{"base64"}` where it is no UTF-8; as parts where one character is repeated often.

    A part is text or `{"repeat": character, "times": n}`.
    """
    try:
        text = raw if isinstance(raw, str) else raw.decode()
    except UnicodeDecodeError:
        return {"base64": b64(raw) if isinstance(raw, bytes) else ""}
    parts: list[object] = []
    at = 0
    for run in _RUN.finditer(text):
        parts += [text[at : run.start()], {"repeat": run.group(1), "times": len(run.group())}]
        at = run.end()
    return [*parts, text[at:]] if parts else text


def _shrunk(cases: list[Object], *members: str) -> list[Object]:
    return [{k: shrink(v) if k in members and isinstance(v, str | bytes) else v for k, v in c.items()} for c in cases]


def refusals() -> list[bad_events.Bad]:
    """Make all bad events in the order of the steps."""
    made: list[bad_events.Bad] = []
    for step in (
        *(bad_events.document, bad_events.aegis, bad_events.dek, bad_fields.fields),
        *(bad_tags.mixtures, bad_tags.signatures, bad_tags.encapsulations, bad_tags.tags, bad_tags.contents),
    ):
        made += step()
    if len({case.name for case in made}) != len(made):
        raise AssertionError("two cases of one name")
    return made


def made() -> dict[str, str]:
    """Make the text of every file."""
    contents: dict[str, object] = {
        "keyrings.json": material.keyrings(),
        "hybrid_kem.json": keys.hybrid_kem(),
        "schedule.json": texts.key_schedule(),
        "events.json": _shrunk(events.cases(), "raw", "encrypted"),
        "bad_events.json": _shrunk([case._asdict() for case in refusals()], "raw", "path"),
        "bad_input.json": _shrunk(bad_input.bad_input(), "raw", "path"),
        "policies.json": texts.policies(),
        "texts.json": texts.texts(),
        "wrapped_deks.json": records.wrapped_deks(),
        "sealed_records.json": records.sealed_records(),
    }
    return {name: json.dumps(content, indent=1) + "\n" for name, content in contents.items()}

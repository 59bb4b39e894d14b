"""The project's JSON Schemas (2020-12), as they stand in schemas/, in the repository or in an installed wheel."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs
import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

SUFFIX = ".schema.json"


class SchemaFault(NamedTuple):
    """The first rule that a document breaks, as the schema's keyword, and the member at the top; never a value."""

    rule: str
    path: str


class Validator:
    """One compiled schema; an event takes microseconds."""

    def __init__(self, name: str) -> None:
        """Compile the schema of this name ("raw-event") with those that it refers to."""
        registry = jsonschema_rs.Registry([(schema["$id"], schema) for schema in all_schemas().values()])
        self._compiled = jsonschema_rs.validator_for(all_schemas()[name], registry=registry)

    def fault(self, document: Mapping[str, Any]) -> SchemaFault | None:
        """Return the first fault, None where there is none."""
        plain = document if isinstance(document, dict) else dict(document)
        if self._compiled.is_valid(plain):
            return None
        found = next(self._compiled.iter_errors(plain))
        steps = [str(step) for step in found.instance_path]
        missing = getattr(found.kind, "property", "")  # of the rule `required`; the schema names it, so it may be told
        names = [*steps, *([missing] if missing else [])][:1]  # further down, names are the event's own and may be data
        return SchemaFault(found.kind.name, "".join(f"/{name}" for name in names))


@cache
def event_validator() -> Validator:
    """Return the validator of raw events, compiled once a process."""
    return Validator("raw-event")


@cache
def all_schemas() -> Mapping[str, dict[str, Any]]:
    """Return every schema by its name without the suffix."""
    return {
        entry.name.removesuffix(SUFFIX): orjson.loads(entry.read_bytes())
        for entry in _folder().iterdir()
        if entry.name.endswith(SUFFIX)
    }


def _folder() -> Traversable:
    """Return the wheel's folder, or the repository's where the package is used from there."""
    packaged = files("aegis_stream") / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "schemas"

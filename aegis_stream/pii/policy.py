"""A policy: which members of an event are sensitive.

It belongs to a DEK version and stands in the signed manifest, so that a reader judges an event by the policy under
which it was written.  See docs/wire-format.md, "What is sensitive".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aegis_stream.errors import PolicyError
from aegis_stream.pii.fields import PII_FIELDS, normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

_POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)+", re.DOTALL)
_MEMBERS = frozenset({"id", "names", "pointers", "exclude"})
WILDCARD = "*"


def pointer_steps(pointer: str) -> tuple[str, ...]:
    """Split an RFC 6901 JSON Pointer into its unescaped steps.

    Raises PolicyError: it is empty, does not begin with "/", or has a `~` that is not `~0` or `~1`.
    """
    if not _POINTER.fullmatch(pointer):
        raise PolicyError(
            "a policy holds a malformed or empty JSON Pointer",
            remedy='a pointer looks like /approvals/*/email; "~" is written ~0 and "/" within a name ~1',
        )
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


@dataclass(frozen=True, slots=True)
class Policy:
    """Names, pointers and exclusions; the twelve names are always included.

    names: matched at any depth, in any spelling (`normalise`).
    pointers: RFC 6901 from the top of the event; `*` is one whole step.
    exclude: names, or pointers where they begin with "/"; each concerns that member alone, not what is inside.
    """

    id: str = "default"
    names: tuple[str, ...] = ()
    pointers: tuple[str, ...] = ()
    exclude: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check types and pointers.  Raises PolicyError."""
        for values in (self.names, self.pointers, self.exclude):
            if not isinstance(values, tuple) or not all(isinstance(value, str) for value in values):
                raise PolicyError("a policy's names, pointers and exclusions are lists of strings")
        if not isinstance(self.id, str) or not self.id:
            raise PolicyError("a policy has an id, a string that is not empty")
        for pointer in (*self.pointers, *(entry for entry in self.exclude if entry.startswith("/"))):
            pointer_steps(pointer)
        named = (*self.names, *(entry for entry in self.exclude if not entry.startswith("/")))
        if not all(map(normalise, named)):
            raise PolicyError("a policy holds a name with nothing but separators, which would match empty names")

    @classmethod
    def default(cls) -> Self:
        """Return the policy of the twelve fields alone."""
        return cls()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read `{"id", "names", "pointers", "exclude"}`; all but the id may be absent.

        Raises PolicyError: another shape, another member, a malformed pointer.
        """
        if not isinstance(value, dict) or not set(value) <= _MEMBERS:
            raise PolicyError('a policy is one JSON object with the members "id", "names", "pointers", "exclude"')
        lists: dict[str, tuple[str, ...]] = {}
        for name in ("names", "pointers", "exclude"):
            entries = value.get(name, [])
            if not isinstance(entries, list):
                raise PolicyError(f'the member "{name}" of a policy is a list of strings')
            lists[name] = tuple(entries)
        return cls(id=value.get("id", ""), **lists)

    def to_json(self) -> Mapping[str, object]:
        """Return the JSON shape, with all four members."""
        return {
            "id": self.id,
            "names": list(self.names),
            "pointers": list(self.pointers),
            "exclude": list(self.exclude),
        }

    def warnings(self) -> tuple[str, ...]:
        """Say which of the twelve fields this policy leaves in the clear, one sentence each; tools show them."""
        excluded = {normalise(entry) for entry in self.exclude if not entry.startswith("/")}
        by_pointer = {normalise(pointer_steps(entry)[-1]): entry for entry in self.exclude if entry.startswith("/")}
        found = [f'the field "{name}" is excluded everywhere' for name in PII_FIELDS if normalise(name) in excluded]
        found += [
            f'the field "{name}" is excluded at {by_pointer[normalise(name)]}'
            for name in PII_FIELDS
            if normalise(name) in by_pointer
        ]
        return tuple(found)

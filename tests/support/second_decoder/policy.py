"""What is sensitive: names, pointers, exclusions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from .schedule import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Tokens: TypeAlias = "tuple[str, ...]"

TWELVE = (
    "actor_assignments",
    "override_justification",
    "risk_lead_signature",
    "security_lead_signature",
    "decision_actor",
    "decision_rationale",
    "workflow_id",
    "author_id",
    "actor_id",
    "combined_hash",
    "requested_by",
    "signer_id",
)
_DROPPED = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "_-. ")
_TOKEN = re.compile(r"(?:[^~/]|~[01])*")


class BadPolicyError(Exception):
    """The policy is malformed."""


def normalised(name: str) -> str:
    """Bring a name to the form in which names are compared: ASCII letters lower-case, no `_`, `-`, `.` or space."""
    return name.translate(_DROPPED)


def tokens_of(pointer: str) -> Tokens:
    """Split a pointer; raise BadPolicyError for an empty or malformed one."""
    if not pointer.startswith("/"):
        raise BadPolicyError
    parts = pointer[1:].split("/")
    if not all(_TOKEN.fullmatch(part) for part in parts):
        raise BadPolicyError
    return tuple("*" if part == "*" else part.replace("~1", "/").replace("~0", "~") for part in parts)


def _strings(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadPolicyError
    return [str(item) for item in value]


class Policy(NamedTuple):
    """A policy, ready to judge places."""

    names: frozenset[str]
    pointers: frozenset[Tokens]
    excluded_names: frozenset[str]
    excluded_pointers: frozenset[Tokens]

    @classmethod
    def make(cls, text: Mapping[str, object]) -> Policy:
        """Read `{"id", "names", "pointers", "exclude"}`, where lists may be absent; raise BadPolicyError."""
        if not set(text) <= {"id", "names", "pointers", "exclude"} or not isinstance(text.get("id"), str):
            raise BadPolicyError
        names, exclude = _strings(text.get("names", [])), _strings(text.get("exclude", []))
        if not all(normalised(name) for name in [*names, *exclude] if not name.startswith("/")):
            raise BadPolicyError
        return cls(
            names=frozenset(normalised(name) for name in [*TWELVE, *names]),
            pointers=frozenset(tokens_of(pointer) for pointer in _strings(text.get("pointers", []))),
            excluded_names=frozenset(normalised(name) for name in exclude if not name.startswith("/")),
            excluded_pointers=frozenset(tokens_of(name) for name in exclude if name.startswith("/")),
        )

    def sensitive(self, place: Place) -> bool:
        """Whether the value at a place is to be encrypted by name or pointer."""
        name = normalised(place.tokens[-1]) if place.kinds.endswith("m") else None
        if name in self.excluded_names or _any_matches(self.excluded_pointers, place.tokens):
            return False
        return name in self.names or _any_matches(self.pointers, place.tokens)


def _any_matches(pointers: frozenset[Tokens], tokens: Tokens) -> bool:
    return any(
        len(pointer) == len(tokens) and all(want in ("*", got) for want, got in zip(pointer, tokens, strict=True))
        for pointer in pointers
    )


DEFAULT = Policy.make({"id": "default", "names": [], "pointers": [], "exclude": []})


def imitates_field(value: object) -> bool:
    """Whether an object counts as encrypted by its members alone."""
    return isinstance(value, dict) and ("_encrypted" in value or "_ciphertext" in value)


def outermost(event: dict[str, object], policy: Policy) -> Iterator[tuple[Place, object]]:
    """Yield the outermost values below the top that are sensitive or count as encrypted, in document order."""
    todo = [(Place().member(name), value) for name, value in reversed(event.items()) if name != "_aegis"]
    while todo:
        place, value = todo.pop()
        if imitates_field(value) or policy.sensitive(place):
            yield place, value
        elif isinstance(value, dict):
            todo.extend((place.member(name), child) for name, child in reversed(value.items()))
        elif isinstance(value, list):
            todo.extend((place.element(i), value[i]) for i in reversed(range(len(value))))

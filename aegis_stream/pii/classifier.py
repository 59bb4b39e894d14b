"""Finds the sensitive values of an event, in document order.

Writers and readers share it, so both judge an event alike.  It works on what the JSON parser returned and never
changes it.  Names are looked up in a cache of bounded size, for an attacker chooses the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from aegis_stream.document import any_big
from aegis_stream.pii.fields import PII_FIELDS, Priority, normalise
from aegis_stream.pii.policy import WILDCARD, Policy, pointer_steps

if TYPE_CHECKING:
    from collections.abc import Callable

    Container = dict[str, Any] | list[Any]

MARKERS = ("_encrypted", "_ciphertext")
"""An object below the top with one of these members is sensitive wherever it stands."""

MARKER_LABEL = "_encrypted"
POINTER_LABEL = "pointer"

_CACHE_ENTRIES = 8192

Target: TypeAlias = tuple[Any, Any, Any, str, str, str]
"""One sensitive value: (container, key, value, path, kinds, label), where `container[key]` is the value.

path: RFC 6901 from the top of the event.  kinds: one character a step, `m` for a member's name, `i` for an array's
index.  label: the policy's spelling of the name; "pointer" or "_encrypted" where it was found otherwise.  A plain
tuple, since making a named one takes longer than finding the value.
"""


class Survey(NamedTuple):
    """What a look through an event gave.

    too_deep: a container stands below the deepest level allowed; the rest was not looked at.
    big_float: a float of magnitude 2^63 or more stands somewhere: the raw text may hold an integer out of range.
    """

    targets: list[Target]
    too_deep: bool
    big_float: bool


class _Node:
    """A step of the pointers' tree."""

    __slots__ = ("excluded", "sensitive", "steps")

    def __init__(self) -> None:
        self.steps: dict[str, _Node] = {}
        self.sensitive = False
        self.excluded = False


class _TooDeepError(Exception):
    """Unwinds a walk; never leaves this file."""


def escape(name: str) -> str:
    """Return a member's name as one step of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def is_marked(value: object) -> bool:
    """Tell whether the value is an object with a member `_encrypted` or `_ciphertext`."""
    return type(value) is dict and ("_encrypted" in value or "_ciphertext" in value)


class Classifier:
    """A compiled policy."""

    def __init__(self, policy: Policy) -> None:
        """Compile a policy; the twelve names are added to its own."""
        self.policy = policy
        excluded = {normalise(entry) for entry in policy.exclude if not entry.startswith("/")}
        self._labels = {
            normalise(name): name for name in (*policy.names, *PII_FIELDS) if normalise(name) not in excluded
        }
        self._excluded_names = excluded
        # name as written -> (label or None, "/" + escaped name)
        self._names: dict[str, tuple[str | None, str]] = {}
        self._root = _Node()
        for pointer in policy.pointers:
            self._plant(pointer).sensitive = True
        for entry in policy.exclude:
            if entry.startswith("/"):
                self._plant(entry).excluded = True
        self.survey: Callable[[dict[str, Any], int], Survey] = (
            self._survey_with_pointers if self._root.steps else self._survey_by_name
        )

    def _plant(self, pointer: str) -> _Node:
        node = self._root
        for step in pointer_steps(pointer):
            node = node.steps.setdefault(step, _Node())
        return node

    def priority(self, label: str) -> Priority:
        """Return the priority of a target's label."""
        return PII_FIELDS.get(label, Priority.CUSTOM)

    def name(self, name: str) -> tuple[str | None, str]:
        """Return the label of a member's name, None where it is not sensitive, and its step of a pointer."""
        known = self._names.get(name)
        if known is None:
            known = (self._labels.get(normalise(name)), "/" + escape(name))
            if len(self._names) >= _CACHE_ENTRIES:
                self._names.clear()
            self._names[name] = known
        return known

    def is_sensitive_member(self, name: str) -> bool:
        """Tell whether a member at the top of an event is sensitive by its name or a pointer."""
        nodes = _advance([self._root], name)
        if any(node.excluded for node in nodes):
            return False
        return self.name(name)[0] is not None or any(node.sensitive for node in nodes)

    def _survey_by_name(self, event: dict[str, Any], max_depth: int) -> Survey:
        """Look through an event under a policy without pointers."""
        found: list[Target] = []
        floats: list[float] = []
        try:
            self._object(event, "", "", max_depth - 1, found, floats)
        except _TooDeepError:
            return Survey(found, too_deep=True, big_float=False)
        return Survey(found, too_deep=False, big_float=any_big(floats))

    def _survey_with_pointers(self, event: dict[str, Any], max_depth: int) -> Survey:
        """Look through an event under a policy with pointers."""
        found: list[Target] = []
        floats: list[float] = []
        try:
            self._guided(event, "", "", max_depth - 1, found, floats, [self._root])
        except _TooDeepError:
            return Survey(found, too_deep=True, big_float=False)
        return Survey(found, too_deep=False, big_float=any_big(floats))

    def _object(  # noqa: PLR0913 - the hot path: no object is made to carry its state
        self, value: dict[str, Any], path: str, kinds: str, left: int, found: list[Target], floats: list[float]
    ) -> None:
        names = self._names
        for name, member in value.items():
            known = names.get(name)
            if known is None:
                known = self.name(name)
            label, step = known
            if label is not None:
                found.append((value, name, member, path + step, kinds + "m", label))
                continue
            kind = type(member)
            if kind is str or kind is int or kind is bool or member is None:
                continue
            if kind is float:
                floats.append(member)
            else:
                self._inside(value, name, member, path + step, kinds + "m", left, found, floats)

    def _inside(  # noqa: PLR0913 - as _object
        self,
        container: Container,
        key: str | int,
        value: Container,
        path: str,
        kinds: str,
        left: int,
        found: list[Target],
        floats: list[float],
    ) -> None:
        """Look into an object or array that is not sensitive itself by name or pointer."""
        if type(value) is dict:
            if "_encrypted" in value or "_ciphertext" in value:
                found.append((container, key, value, path, kinds, MARKER_LABEL))
                return
            if left <= 0:
                raise _TooDeepError
            self._object(value, path, kinds, left - 1, found, floats)
            return
        if left <= 0:
            raise _TooDeepError
        for index, element in enumerate(value):
            kind = type(element)
            if kind is float:
                floats.append(element)
            elif kind is dict or kind is list:
                self._inside(value, index, element, f"{path}/{index}", kinds + "i", left - 1, found, floats)

    def _guided(  # noqa: PLR0913 - as _object
        self,
        value: Container,
        path: str,
        kinds: str,
        left: int,
        found: list[Target],
        floats: list[float],
        nodes: list[_Node],
    ) -> None:
        """Look through a container inside which a pointer may still match."""
        members = value.items() if type(value) is dict else enumerate(value)
        kinds += "m" if type(value) is dict else "i"
        for key, member in members:
            label, step = self.name(key) if type(key) is str else (None, f"/{key}")
            after = _advance(nodes, str(key))
            if label is None and any(node.sensitive for node in after) and not self._excluded_name(key):
                label = POINTER_LABEL
            if label is not None and any(node.excluded for node in after):
                label = None
            if label is None and is_marked(member):
                label = MARKER_LABEL
            if label is not None:
                found.append((value, key, member, path + step, kinds, label))
            elif type(member) is float:
                floats.append(member)
            elif type(member) is dict or type(member) is list:
                if left <= 0:
                    raise _TooDeepError
                self._guided(member, path + step, kinds, left - 1, found, floats, after)

    def _excluded_name(self, key: str | int) -> bool:
        return type(key) is str and bool(self._excluded_names) and normalise(key) in self._excluded_names


def _advance(nodes: list[_Node], step: str) -> list[_Node]:
    """Return the nodes that one step leads to; a member named `*` is matched by `*` alone, which covers all."""
    after = []
    for node in nodes:
        if (wild := node.steps.get(WILDCARD)) is not None:
            after.append(wild)
        if step != WILDCARD and (exact := node.steps.get(step)) is not None:
            after.append(exact)
    return after


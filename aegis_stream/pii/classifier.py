"""Finds the sensitive values of an event, in document order.

Writers and readers share it, so both judge an event alike.  It works on what the JSON parser returned and never
changes it.  Names and places are kept in caches of bounded size, for an attacker chooses the names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from aegis_stream.document import any_big
from aegis_stream.pii.fields import PII_FIELDS, Priority, normalise
from aegis_stream.pii.place import Place
from aegis_stream.pii.policy import WILDCARD, Policy, pointer_steps

if TYPE_CHECKING:
    from collections.abc import Callable

Container: TypeAlias = "dict[str, Any] | list[Any]"
Target: TypeAlias = tuple[Any, Any, Any, Place]
"""One sensitive value: (container, key, value, place), where `container[key]` is the value.

A plain tuple, since making a named one takes longer than finding the value.
"""

MARKER_LABEL = "_encrypted"
POINTER_LABEL = "pointer"

_CACHE_ENTRIES = 8192
_CACHED_CHARACTERS = 256  # a longer name or path is worked out each time: 8,192 of 10 MB would be too much to keep


class Survey(NamedTuple):
    """What a look through an event gave.

    too_deep: a container stands below the deepest level allowed; the rest was not looked at.
    big_float: a float of magnitude 2^63 or more stands somewhere: the raw text may hold an integer out of range.
    members: of all objects.  None of the three looks inside the targets' values.
    """

    targets: list[Target]
    too_deep: bool
    big_float: bool
    members: int


class _Node:
    """A step of the pointers' tree."""

    __slots__ = ("excluded", "sensitive", "steps")

    def __init__(self) -> None:
        self.steps: dict[str, _Node] = {}
        self.sensitive = False
        self.excluded = False


class _TooDeepError(Exception):
    """Unwinds a walk; never leaves this file."""


class _Walk:
    """The state of one walk through an event."""

    __slots__ = ("floats", "found", "members")

    def __init__(self) -> None:
        self.found: list[Target] = []
        self.floats: list[float] = []
        self.members = 0

    def survey(self, *, too_deep: bool) -> Survey:
        return Survey(self.found, too_deep, not too_deep and any_big(self.floats), self.members)


def escape(name: str) -> str:
    """Return a member's name as one step of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def is_marked(value: object) -> bool:
    """Tell whether the value is an object with a member `_encrypted` or `_ciphertext`.

    Below the top such an object is sensitive wherever it stands; to a reader it is an encrypted field.
    """
    return type(value) is dict and ("_encrypted" in value or "_ciphertext" in value)


def _remember(cache: dict[Any, Any], chosen: str, key: object, value: object) -> None:
    """Keep what was worked out for a text that a producer chose, within the cache's bounds."""
    if len(chosen) <= _CACHED_CHARACTERS:
        if len(cache) >= _CACHE_ENTRIES:
            cache.clear()
        cache[key] = value


class Classifier:
    """A compiled policy."""

    def __init__(self, policy: Policy) -> None:
        """Compile a policy; the twelve names are added to its own."""
        self.policy = policy
        excluded = {normalise(entry) for entry in policy.exclude if not entry.startswith("/")}
        self._labels = {normalise(name): name for name in (*policy.names, *PII_FIELDS)}
        self._excluded = frozenset(excluded)
        # name as written -> (label or None, excluded by name, "/" + escaped name)
        self._names: dict[str, tuple[str | None, bool, str]] = {}
        self._top: dict[str, Place | None] = {}
        self._places: dict[tuple[str, str, str], Place] = {}
        self._root = _Node()
        for pointer in policy.pointers:
            self._plant(pointer).sensitive = True
        for entry in policy.exclude:
            if entry.startswith("/"):
                self._plant(entry).excluded = True
        self.survey: Callable[[dict[str, Any], int], Survey] = (
            self._survey_with_pointers if self._root.steps else self._survey_by_name
        )

    def compiled(self) -> tuple[dict[str, str], frozenset[str], list[tuple[tuple[str, ...], bool]]]:
        """Return the policy as another engine needs it.

        Labels by names as they are compared; the names excluded; the steps of each pointer and whether it excludes.
        """
        pointers = [(pointer_steps(pointer), False) for pointer in self.policy.pointers]
        pointers += [(pointer_steps(entry), True) for entry in self.policy.exclude if entry.startswith("/")]
        return dict(self._labels), self._excluded, pointers

    def _plant(self, pointer: str) -> _Node:
        node = self._root
        for step in pointer_steps(pointer):
            node = node.steps.setdefault(step, _Node())
        return node

    def priority(self, label: str) -> Priority:
        """Return the priority of a place's label."""
        return PII_FIELDS.get(label, Priority.CUSTOM)

    def is_sensitive_member(self, name: str) -> bool:
        """Tell whether a member at the top of an event is sensitive by its name or a pointer."""
        return self._label(self._name(name), _advance([self._root], name)) is not None

    def _name(self, name: str) -> tuple[str | None, bool, str]:
        known = self._names.get(name)
        if known is None:
            normal = normalise(name)
            known = (self._labels.get(normal), normal in self._excluded, "/" + escape(name))
            _remember(self._names, name, name, known)
        return known

    @staticmethod
    def _label(known: tuple[str | None, bool, str], nodes: list[_Node]) -> str | None:
        """Return under which label a member is sensitive, None where it is not or is excluded."""
        label, excluded, _ = known
        if excluded or any(node.excluded for node in nodes):
            return None
        return label or (POINTER_LABEL if any(node.sensitive for node in nodes) else None)

    def _place(self, path: str, kinds: str, label: str) -> Place:
        place = self._places.get((path, kinds, label))
        if place is None:
            place = Place(path, kinds, label)
            _remember(self._places, path, (path, kinds, label), place)
        return place

    def _top_place(self, name: str) -> Place | None:
        """Return the place of a sensitive member at the top, None where it is not; both are remembered."""
        known = self._name(name)
        label = self._label(known, [])
        place = None if label is None else self._place(known[2], "m", label)
        _remember(self._top, name, name, place)
        return place

    def _survey_by_name(self, event: dict[str, Any], max_depth: int) -> Survey:
        """Look through an event under a policy without pointers."""
        walk = _Walk()
        found, floats, top = walk.found, walk.floats, self._top
        try:
            for name, member in event.items():
                try:
                    place = top[name]
                except KeyError:
                    place = self._top_place(name)
                if place is not None:
                    found.append((event, name, member, place))
                elif type(member) is float:
                    floats.append(member)
                elif type(member) is dict or type(member) is list:
                    self._inside(walk, event, name, self._name(name)[2], "m", max_depth - 1)
        except _TooDeepError:
            return walk.survey(too_deep=True)
        walk.members += len(event)
        return walk.survey(too_deep=False)

    def _inside(  # noqa: C901, PLR0913, PLR0917 - the hot path: no object or call more than needed
        self,
        walk: _Walk,
        container: Container,
        key: str | int,
        path: str,
        kinds: str,
        left: int,
    ) -> None:
        """Look into the object or array `container[key]`, which is not sensitive by name."""
        value: Any = container[key]  # type: ignore[index]  # the key is the container's own
        if is_marked(value):
            walk.found.append((container, key, value, self._place(path, kinds, MARKER_LABEL)))
            return
        if left <= 0:
            raise _TooDeepError
        if type(value) is list:
            for index, element in enumerate(value):
                if type(element) is float:
                    walk.floats.append(element)
                elif type(element) is dict or type(element) is list:
                    self._inside(walk, value, index, f"{path}/{index}", kinds + "i", left - 1)
            return
        walk.members += len(value)
        for name, member in value.items():
            label, excluded, step = self._name(name)
            if label is not None and not excluded:
                walk.found.append((value, name, member, self._place(path + step, kinds + "m", label)))
            elif type(member) is float:
                walk.floats.append(member)
            elif type(member) is dict or type(member) is list:
                self._inside(walk, value, name, path + step, kinds + "m", left - 1)

    def _survey_with_pointers(self, event: dict[str, Any], max_depth: int) -> Survey:
        """Look through an event under a policy with pointers."""
        walk = _Walk()
        try:
            self._guided(walk, event, "", "", max_depth - 1, [self._root])
        except _TooDeepError:
            return walk.survey(too_deep=True)
        return walk.survey(too_deep=False)

    def _guided(  # noqa: PLR0913, PLR0917 - as _inside
        self, walk: _Walk, value: Container, path: str, kinds: str, left: int, nodes: list[_Node]
    ) -> None:
        """Look through a container of an event that has pointers to follow."""
        is_object = type(value) is dict
        inner = kinds + ("m" if is_object else "i")
        walk.members += len(value) if is_object else 0
        for key, member in value.items() if is_object else enumerate(value):  # type: ignore[union-attr]  # is_object
            known = self._name(str(key)) if is_object else (None, False, f"/{key}")
            after = _advance(nodes, str(key))
            label = self._label(known, after) or (MARKER_LABEL if is_marked(member) else None)
            where = path + known[2]
            if label is not None:
                walk.found.append((value, key, member, self._place(where, inner, label)))
            elif type(member) is float:
                walk.floats.append(member)
            elif type(member) is dict or type(member) is list:
                if left <= 0:
                    raise _TooDeepError
                self._guided(walk, member, where, inner, left - 1, after)


def _advance(nodes: list[_Node], step: str) -> list[_Node]:
    """Return the nodes that one step leads to; a member named `*` is matched by `*` alone, which covers all."""
    after = []
    for node in nodes:
        if (wild := node.steps.get(WILDCARD)) is not None:
            after.append(wild)
        if step != WILDCARD and (exact := node.steps.get(step)) is not None:
            after.append(exact)
    return after

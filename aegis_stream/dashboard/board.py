"""What the page shows at this moment, in sections; streams wait here for the next change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Section(NamedTuple):
    version: int
    value: Any
    text: bytes


class Board:
    """Sections by name, each any JSON value; a section that is put up again unchanged wakes nobody."""

    def __init__(self) -> None:
        """Nothing is up yet."""
        self.closed = False
        self._sections: dict[str, _Section] = {}
        self._version = 0
        self._moved = asyncio.Event()

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    def put(self, name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON value
        """Put a section up; returns whether that changes what is shown."""
        text = orjson.dumps(value)
        held = self._sections.get(name)
        if held is not None and held.text == text:
            return False
        self._version += 1
        self._sections[name] = _Section(self._version, value, text)
        self._wake()
        return True

    def since(self, version: int = 0) -> Mapping[str, Any]:
        """Return the sections that have changed after a version."""
        return {name: section.value for name, section in self._sections.items() if section.version > version}

    def section(self, name: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return one section, None before it is up."""
        found = self._sections.get(name)
        return None if found is None else found.value

    def close(self) -> None:
        """End every wait, for good."""
        self.closed = True
        self._wake()

    async def wait(self, version: int, timeout_s: float) -> bool:
        """Return True when there is something newer than `version`, False after `timeout_s` or when closed."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._version <= version and not self.closed:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return not self.closed

    def _wake(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

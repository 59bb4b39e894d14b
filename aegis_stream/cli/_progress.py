"""A progress bar on standard error, where somebody is looking."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from types import TracebackType


class ReadProgress:
    """A bar over topics that are read one after the other; how much there is shows when each is begun."""

    def __init__(self, title: str) -> None:
        """Draw nothing yet."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._expected = 0
        self._task = self._progress.add_task(title, total=0)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away."""
        self._progress.stop()

    def expect(self, records: int) -> None:
        """Begin with a topic that holds so many."""
        self._expected += records
        self._progress.update(self._task, total=self._expected)

    def count(self, records: int) -> None:
        """Count so many as read."""
        self._progress.advance(self._task, records)


class EventProgress:
    """Counts events and bytes; draws only where standard error is a terminal.

    total_bytes: the size of the input, where it is known; otherwise a count without an end is shown.
    """

    def __init__(
        self, title: str, *, total_bytes: int | None = None, total_events: int | None = None, unit: str = "events"
    ) -> None:
        """Draw nothing yet; `unit` is what is counted."""
        self.events = 0
        self.began = time.monotonic()
        self._by_bytes = total_bytes is not None
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            *((MofNCompleteColumn(),) if total_events is not None else ()),
            TextColumn(f"{{task.fields[events]:,}} {unit}, {{task.fields[rate]:,.0f}}/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        total = total_bytes if total_bytes is not None else total_events
        self._task = self._progress.add_task(title, total=total, events=0, rate=0.0)

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        self.began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; what the command says afterwards stands alone."""
        self._progress.stop()

    @property
    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.began

    def advance(self, *, events: int, size: int = 0) -> None:
        """Count `events` events of `size` bytes together."""
        self.events += events
        step = size if self._by_bytes else events
        self._progress.update(
            self._task, advance=step, events=self.events, rate=self.events / max(self.elapsed_s, 1e-9)
        )

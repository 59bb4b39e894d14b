"""Processes of the demo: started, watched and ended with it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_STOP_S = 5.0
_LAST_CHARACTERS = 600


class Child:
    """One process; a context manager that ends it, first politely."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start nothing yet; `log` takes all that the process says."""
        self.name = name
        self._command = list(command)
        self._environment = None if environment is None else dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it in a session of its own: Ctrl-C is for the demo, which then ends its children in order."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own commands
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_S)

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id, 0 before it was started."""
        return 0 if self._process is None else self._process.pid

    def last_words(self) -> str:
        """Return the end of what it said."""
        return self._log.read_text(errors="replace")[-_LAST_CHARACTERS:].strip() if self._log.exists() else ""

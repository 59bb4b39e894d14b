"""Run `aegis` inside the test's process, as the console script does."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.cli import main

if TYPE_CHECKING:
    import pytest


class Ended(NamedTuple):
    """How a command ended: exit code, standard output as bytes, standard error as text."""

    code: int
    out: bytes
    err: str


class CommandLine:
    """Calls commands; standard input is what the test gives, never a terminal."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[bytes]) -> None:
        """Take pytest's fixtures."""
        self._monkeypatch = monkeypatch
        self._capture = capture

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Ended:
        """Run one command line."""
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self._capture.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        return Ended(code, out, err.decode())

"""Turn every line of a JSONL input into a line of the output, and name the lines that were refused."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aegis_stream.cli import _exit
from aegis_stream.cli._progress import EventProgress
from aegis_stream.cli._streams import STANDARD, batches, reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aegis_stream.errors import ReadReason, WriteReason


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line gave no output: reason, and the path of the member where it is one member's fault."""

    reason: WriteReason | ReadReason
    path: str = ""


class _StopError(Exception):
    """Leaves the output file behind, unwritten; never leaves this file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineJob:
    """What to do with lines.

    done: the word for the closing line ("encrypted").  convert: a batch of lines to one result each: bytes, or why not.
    keep_going: go on behind a refused line; the output then holds the others.
    """

    title: str
    done: str
    convert: Callable[[Sequence[bytes]], Sequence[bytes | Refusal]]
    keep_going: bool
    quiet: bool

    def run(self, source: Path, target: Path) -> int:
        """Convert all of `source` into `target` and return the exit code: 1 if any line was refused."""
        refused = 0
        size = source.stat().st_size if source != STANDARD and source.is_file() else None
        with EventProgress(self.title, total_bytes=size) as progress:
            try:
                with reading(source) as lines, writing(target) as output:
                    for batch in batches(lines):
                        results = self.convert([line.raw for line in batch])
                        for line, result in zip(batch, results, strict=True):
                            if isinstance(result, Refusal):
                                refused += 1
                                self._refused(line.number, result)
                            else:
                                output.write(result + b"\n")
                        progress.advance(events=len(batch), size=sum(len(line.raw) + 1 for line in batch))
            except _StopError:
                _exit.say_hint("--keep-going passes over such lines; nothing was kept of the output file")
                return _exit.REFUSED
        if not self.quiet:
            told = f"{progress.events - refused:,} events {self.done}" + (f", {refused:,} refused" if refused else "")
            sys.stderr.write(f"aegis: {told}\n")
        return _exit.REFUSED if refused else _exit.OK

    def _refused(self, number: int, refusal: Refusal) -> None:
        """Say which line was refused, why and where, never what stood there; stop unless told to go on."""
        _exit.say_error(f"line {number} refused: {refusal.reason}" + (f" at {refusal.path}" if refusal.path else ""))
        if not self.keep_going:
            raise _StopError

"""Lines in, lines out: standard streams or files, and a result file only where the command succeeded."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, NamedTuple

import typer

from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH_LINES = 500
BATCH_BYTES = 1 << 20
STANDARD = Path("-")

InputOption = Annotated[
    Path, typer.Option("--in", "-i", metavar="FILE", help="Where to read; - is standard input.", show_default=False)
]
OutputOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write; - is standard output.", show_default=False)
]
FileArgument = Annotated[Path, typer.Argument(metavar="[FILE]", help="JSON or JSONL; standard input by default.")]


class Line(NamedTuple):
    """One line that is not blank: its number, counted from 1, and its bytes without the line break."""

    number: int
    raw: bytes


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a file or standard input.  Raises ConfigurationError where it cannot be read."""
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    problem = ""
    file: BinaryIO | None = None
    try:
        file = path.open("rb")
    except OSError as error:
        problem = error.strerror or "no reason given"
    if file is None:
        raise ConfigurationError(f"{path} cannot be read ({problem})", remedy="name a file, or - for standard input")
    with file:
        yield file


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Open a file or standard output; a file appears under its name, whole, when the block ends without an exception.

    Raises ConfigurationError where it cannot be written.
    """
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.exists() and not path.is_file():  # a device or a pipe takes no new name
        with path.open("wb") as direct:
            yield direct
        return
    temporary = _beside(path)
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _beside(path: Path) -> Path:
    """Make an empty file in the folder of `path`, readable for its owner alone."""
    problem = ""
    name = ""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(descriptor)
    except OSError as error:
        problem = error.strerror or "no reason given"
    if problem:
        raise ConfigurationError(f"{path} cannot be written ({problem})", remedy="name a file in an existing folder")
    return Path(name)


def batches(file: BinaryIO) -> Iterator[list[Line]]:
    """Yield the lines in batches of at most 500 lines or about 1 MiB; blank lines count but are no events."""
    batch: list[Line] = []
    size = 0
    for number, line in enumerate(file, start=1):
        raw = line.rstrip(b"\r\n")
        if not raw.strip():
            continue
        batch.append(Line(number, raw))
        size += len(raw)
        if len(batch) >= BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

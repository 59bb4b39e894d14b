"""JSON documents of an input: one a line, or one that is spread over many lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.cli._streams import Line, batches, reading
from aegis_stream.document import parse_object

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def documents(source: Path) -> Iterator[Line]:
    """Yield each JSON document with the number of its line; a pretty-printed one is number 1.

    Raises ConfigurationError where the source cannot be read.
    """
    with reading(source) as file:
        first = file.readline()
        if first.strip() and parse_object(first.rstrip(b"\r\n")) is None:
            rest = file.read()
            if parse_object(first + rest) is not None:
                yield Line(1, first + rest)
                return
            lines = [first, *rest.splitlines(keepends=True)]
            yield from (Line(number, line.rstrip(b"\r\n")) for number, line in enumerate(lines, 1) if line.strip())
            return
        if first.strip():
            yield Line(1, first.rstrip(b"\r\n"))
        for batch in batches(file):
            yield from (Line(line.number + 1, line.raw) for line in batch)

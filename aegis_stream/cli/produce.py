"""`aegis produce`: raw governance events from a file, standard input or the generator."""

from __future__ import annotations

import asyncio
import sys
import time
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from aegis_stream.cli import _exit
from aegis_stream.cli._progress import EventProgress
from aegis_stream.cli._streams import STANDARD, InputOption, batches, reading
from aegis_stream.client import EventProducer, connection_kwargs
from aegis_stream.document import fault_of, parse_object
from aegis_stream.errors import AegisError, ConfigurationError, EventRefusedError, SchemaRefusedError, WriteReason
from aegis_stream.generator import generate_events
from aegis_stream.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BATCH_EVENTS = 500
_MAX_DEPTH = 64


class _Numbered(NamedTuple):
    """An event and the line (or the number of the generated event) that it came from."""

    number: int
    event: dict[str, Any]


class _RefusedLineError(AegisError):
    """A line that is no event; names the line."""

    default_reason = "line"


def produce(  # noqa: PLR0913 - the options of a command
    *,
    source: InputOption = STANDARD,
    generate: Annotated[
        int | None, typer.Option("--generate", "-n", metavar="N", min=1, help="Write N generated events instead.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the generator; one seed, the same events.")] = 0,
    all_fields: Annotated[
        bool, typer.Option("--all-fields", help="Generate all twelve sensitive fields in every event.")
    ] = False,
    key: Annotated[
        str, typer.Option("--key", metavar="MEMBER", help="Member whose text becomes the record key; empty for none.")
    ] = "workflow_id",
    rate: Annotated[float | None, typer.Option("--rate", min=0.1, help="At most this many events a second.")] = None,
    validate: Annotated[bool, typer.Option("--validate/--no-validate", help="Check the schema of raw events.")] = True,
    topic: Annotated[str | None, typer.Option("--topic", help="Instead of AEGIS_TOPIC_RAW.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No closing line.")] = False,
) -> int:
    """Write events, one JSON object a line, to the raw topic; each is acknowledged by the broker.

    The record key chooses the partition, so one workflow's events keep their order; the enricher makes a pseudonym of
    it.  An event that its schema refuses stops the command; what was acknowledged before it stays.

    Example: `aegis produce --generate 1000 --seed 7`
    """
    if generate is None:
        events = _from_lines(source)
    elif source != STANDARD:
        raise ConfigurationError("--generate and --in exclude each other", remedy="keep one of them")
    else:
        events = (
            _Numbered(n, event)
            for n, event in enumerate(generate_events(seed=seed, count=generate, all_fields=all_fields), 1)
        )
    settings = load_settings(topic_raw=topic)
    producer = EventProducer(
        connection=connection_kwargs(settings), topic=settings.topic_raw, validate=validate, compression="none"
    )
    written = asyncio.run(_write(producer, events, total=generate, key=key, rate=rate))
    if not quiet:
        sys.stderr.write(f"aegis: {written:,} events written to {settings.topic_raw}\n")
    return _exit.OK


async def _write(
    producer: EventProducer, events: Iterator[_Numbered], *, total: int | None, key: str, rate: float | None
) -> int:
    """Write in batches and return how many were acknowledged."""
    size = BATCH_EVENTS if rate is None else max(1, min(BATCH_EVENTS, int(rate / 10)))
    began = time.monotonic()
    with EventProgress("producing", total_events=total) as progress:
        async with producer:
            while batch := list(islice(events, size)):
                _check(producer, batch)
                await producer.send_many([(_key_of(entry.event, key), entry.event) for entry in batch])
                progress.advance(events=len(batch))
                if rate is not None:
                    await asyncio.sleep(max(0.0, progress.events / rate - (time.monotonic() - began)))
    return progress.events


def _check(producer: EventProducer, batch: list[_Numbered]) -> None:
    """Name the line of the first event that would be refused."""
    for entry in batch:
        refused: AegisError | None = None
        try:
            producer.encode(entry.event)
        except (EventRefusedError, SchemaRefusedError) as error:
            refused = error
        if refused is not None:
            raise _RefusedLineError(f"line {entry.number}: {refused}", remedy=refused.remedy)


def _from_lines(source: Path) -> Iterator[_Numbered]:
    """Read JSON objects, one a line.  Raises an AegisError that names the line of anything else."""
    with reading(source) as file:
        for batch in batches(file):
            for line in batch:
                event = parse_object(line.raw)
                if event is None:
                    reason = WriteReason(fault_of(line.raw, _MAX_DEPTH))
                    raise _RefusedLineError(f"line {line.number}: {EventRefusedError(reason)}")
                yield _Numbered(line.number, event)


def _key_of(event: dict[str, Any], member: str) -> bytes | None:
    """Return the record key: the member's text, None where it is absent or no text."""
    value = event.get(member) if member else None
    return value.encode() if isinstance(value, str) and value else None

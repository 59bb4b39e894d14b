"""`aegis consume`: decrypted events on standard output."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import orjson
import typer

from aegis_stream.cli import _exit
from aegis_stream.cli._streams import STANDARD, OutputOption, writing
from aegis_stream.client import EventConsumer, open_consumer
from aegis_stream.settings import Settings, load_settings
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from aegis_stream.client import ReceivedEvent, RefusedRecord

RefusedOption = Annotated[
    Path | None,
    typer.Option("--refused", metavar="FILE", help="Append refused records here and go on, instead of stopping."),
]


def consume(  # noqa: PLR0913 - the options of a command
    *,
    target: OutputOption = STANDARD,
    count: Annotated[int | None, typer.Option("--count", "-n", min=1, help="Stop after so many events.")] = None,
    idle_s: Annotated[
        float | None, typer.Option("--idle", metavar="SECONDS", min=0.1, help="Stop when none came for so long.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Instead of AEGIS_READER_GROUP.")] = None,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Each line holds the event and the record that carried it.")
    ] = False,
    refused: RefusedOption = None,
    accept_rewind: Annotated[
        bool, typer.Option("--accept-rewind", help="The raw topic was made anew: begin without its old marks, once.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No closing line.")] = False,
) -> int:
    """Read, verify and decrypt events, each once, as JSON lines; goes on where the group stopped.

    A record that breaks a rule stops the command with exit code 1, unless --refused names a file for such records.

    Example: `aegis consume --count 10 --group audit`
    """
    settings = load_settings()
    with writing(target) as output, nullcontext() if refused is None else refused.open("ab") as aside:
        stats = asyncio.run(
            _read(
                settings,
                output=output,
                aside=aside,
                count=count,
                idle_s=idle_s,
                metadata=metadata,
                group=group,
                accept_rewind=accept_rewind,
            )
        )
    if not quiet:
        told = [f"{stats['events']:,} events"]
        told += [f"{stats[name]:,} {name}" for name in ("repeats", "refused") if stats[name]]
        sys.stderr.write(f"aegis: {', '.join(told)}\n")
    return _exit.REFUSED if stats["refused"] else _exit.OK


async def _read(  # noqa: PLR0913 - the options of the command
    settings: Settings,
    *,
    output: BinaryIO,
    aside: BinaryIO | None,
    count: int | None,
    idle_s: float | None,
    metadata: bool,
    group: str | None,
    accept_rewind: bool,
) -> dict[str, int]:
    """Write events until there are enough, and return the reader's counts."""

    async def put_aside(record: RefusedRecord) -> None:
        if aside is not None:
            aside.write(orjson.dumps(_refused_line(record)) + b"\n")
            aside.flush()

    callback = None if aside is None else put_aside
    async with open_consumer(settings, group=group, on_refused=callback, accept_rewind=accept_rewind) as consumer:
        while count is None or consumer.stats["events"] < count:
            received = await _next(consumer, idle_s)
            if received is None:
                break
            output.write(orjson.dumps(_line(received) if metadata else received.event) + b"\n")
            output.flush()
        await consumer.commit()
        return consumer.stats


async def _next(consumer: EventConsumer, idle_s: float | None) -> ReceivedEvent | None:
    """Return the next event, None where none came in time."""
    try:
        async with asyncio.timeout(idle_s):
            return await anext(consumer)
    except TimeoutError:
        return None


def _line(received: ReceivedEvent) -> dict[str, Any]:
    return {
        "topic": received.topic,
        "partition": received.partition,
        "offset": received.offset,
        "timestamp_ms": received.timestamp_ms,
        "source": received.source,
        "dek_version": received.dek_version,
        "event": received.event,
    }


def _refused_line(record: RefusedRecord) -> dict[str, Any]:
    """Return a refused record for a file of the operator's; its value is what stood on the topic."""
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "reason": record.reason,
        "path": record.path,
        "dek_version": record.dek_version,
        "value": None if record.value is None else b64encode(record.value),
    }

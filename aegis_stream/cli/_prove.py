"""`aegis keys prove-destroyed`: look in the log of the control topic for what is left of a DEK."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from aegis_stream.cli._exit import OK, REFUSED, say_error, say_hint
from aegis_stream.control.remains import wraps_in
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.plain_text import plain
from aegis_stream.settings import load_settings
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from aegis_stream.settings import Settings

_UNKNOWN = "unknown"

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="The DEK: `aegis keys list` shows it.")]


def prove_destroyed(version: VersionArgument, *, json: JsonOption = False) -> int:
    """Read the raw log of the control topic from its beginning and say whether a wrap of a DEK is still there.

    Overwritten records stay in the log until compaction, which `max.compaction.lag.ms` bounds.  What this cannot see:
    tiered storage that the broker does not serve, backups, mirrors, and disks from which deleted segments could be
    read; those are for the operator to attest.

    Exit codes: 0 destroyed and no wrap is left, 1 a wrap is left or it was not destroyed, 2 configuration, 3 Kafka is
    away.

    Example: `aegis keys prove-destroyed dek-v1-20260101 --json`
    """
    found = asyncio.run(_look(load_settings(), DekVersion.parse(version)))
    if json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    else:
        _tell(found)
    return OK if found["proven"] else REFUSED


async def _look(settings: Settings, version: DekVersion) -> dict[str, Any]:
    from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.raw_log import raw_log  # noqa: PLC0415 - as above

    async with CommandClient(settings) as client:
        entry = client.manifest.dek(version.text)
    remains: list[dict[str, Any]] = []
    last: dict[bytes, int] = {}
    keys: list[bytes] = []
    read = 0
    first: int | None = None
    async for record in raw_log(connection_kwargs(settings), settings.topic_control):
        read += 1
        first = record.offset if first is None else first
        last[record.key or b""] = record.offset
        keks = wraps_in(record.key, record.value, version)
        if keks:
            written_at = time_text(dt.datetime.fromtimestamp(record.timestamp_ms // 1000, dt.UTC))
            remains.append({"offset": record.offset, "written_at": written_at, "keks": list(keks)})
            keys.append(record.key or b"")
    for each, key in zip(remains, keys, strict=True):
        each["overwritten"] = last[key] > each["offset"]
        each["key"] = plain(key.decode("utf-8", "replace"))
    state = _UNKNOWN if entry is None else entry.state.value
    return {
        "version": version.text,
        "state": state,
        "topic": settings.topic_control,
        "records_read": read,
        "first_offset": first,
        "remains": remains,
        "proven": state == DekState.DESTROYED.value and not remains,
    }


def _tell(found: dict[str, Any]) -> None:
    typer.echo(
        f"{found['version']}: {found['state']}; {found['records_read']} records of {found['topic']} read, "
        f"{len(found['remains'])} with a wrap of it"
    )
    for each in found["remains"]:
        after = "" if each["overwritten"] else f", the last under {each['key']}"
        typer.echo(f"  offset {each['offset']}, written {each['written_at']}, under {', '.join(each['keks'])}{after}")
    if found["state"] != DekState.DESTROYED.value:
        say_error(f"it is not destroyed but {found['state']}")
        known = found["state"] != _UNKNOWN
        say_hint(f"`aegis destroy {found['version']}`" if known else "`aegis keys list` shows what there is")
    elif found["remains"]:
        say_error("the brokers still hold it")
        if any(each["overwritten"] for each in found["remains"]):
            say_hint("compaction takes it away; the result of the destruction names the time (`aegis control show ID`)")
        if not all(each["overwritten"] for each in found["remains"]):
            say_hint("nothing overwrites what is the last under its key: write a tombstone under that key")
    else:
        say_hint("backups, mirrors and tiered storage are not seen from here: attest that they hold no copy")

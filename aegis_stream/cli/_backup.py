"""`aegis keys backup|restore`: the keyring in a file, and back."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aegis_stream.cli._ask import confirm
from aegis_stream.cli._exit import say_hint
from aegis_stream.cli._streams import reading, writing
from aegis_stream.keyring.backup import MAX_BACKUP_BYTES, Backup
from aegis_stream.keyring.dek_record import record_sha256
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from aegis_stream.keyring.manifest import Manifest

READ_S = 60.0

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup; - is a standard stream.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and stop there.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `aegis keys`."""
    app.command("backup")(backup)
    app.command("restore")(restore)


class _Plan(NamedTuple):
    """What is written: everything as one transaction, or single records beside a running agent."""

    writes: tuple[tuple[str, bytes], ...]
    whole: bool
    why: str


def backup(file: FileArgument) -> None:
    """Write the manifest in force and its DEK records to a file; without the KEK nothing in it is secret.

    Refuses to write half a backup, and reads a topic that somebody gave more partitions.  A new one is due whenever a
    DEK was made: `aegis rotate`, the schedule, a rewrap.

    Exit codes: 0 written, 1 the manifest is refused or a record is missing, 2 the file cannot be written or
    configuration, 3 Kafka is away.

    Example: `aegis keys backup aegis-keyring.json`
    """
    keyring = asyncio.run(_read(load_settings(), unfit=True))
    content = Backup.of(keyring)
    with writing(file) as output:
        output.write(content.to_bytes() + b"\n")
    manifest = keyring.manifest
    if manifest is not None:
        typer.echo(f"aegis: manifest {manifest.sequence} and {len(content.records)} DEK record(s) in {file}", err=True)


def restore(file: FileArgument, *, dry_run: DryRunOption = False, yes: YesOption = False) -> None:
    """Put back what the control topic has lost, after checking the backup as a follower would.

    A topic that has the manifest gets the DEK records that it names and does not find.  A topic without one, or with an
    older one, gets the whole backup; what was changed after the backup is lost then, revocations too.

    Exit codes: 0 restored, or nothing was missing; 1 the backup is refused; 2 configuration; 3 Kafka is away.

    Example: `aegis keys restore aegis-keyring.json`
    """
    settings = load_settings()
    with reading(file) as source:
        content = Backup.from_bytes(source.read(MAX_BACKUP_BYTES + 1))
    now = dt.datetime.now(dt.UTC)
    manifest = content.verified(deployment=settings.deployment, agent_keys=settings.agent_public_keys, now=now)
    typer.echo(f"aegis: the backup is manifest {manifest.sequence} of {time_text(manifest.issued_at)}", err=True)
    plan = _plan(content, manifest, asyncio.run(_read(settings)))
    typer.echo(plan.why)
    for key, _ in plan.writes:
        typer.echo(f"  {key}")
    if dry_run or not plan.writes:
        return
    confirm("Write it?", yes=yes)
    asyncio.run(_write(settings, plan))
    typer.echo(f"restored {len(plan.writes)} record(s)")
    if plan.whole:
        say_hint(f"if the agent refuses to start: aegis run rotator --accept-rollback {manifest.sequence}")
        say_hint("give again what was commanded after the backup; a running follower keeps what it knows until it ends")


def _plan(content: Backup, manifest: Manifest, found: Keyring) -> _Plan:
    there = found.manifest
    if there is None or there.sequence < manifest.sequence:
        stands = "has no manifest" if there is None else f"stands at manifest {there.sequence}"
        return _Plan(content.writes, whole=True, why=f"the topic {stands}: the whole backup is written")
    named = {f"dek/{entry.version}": entry.record_sha256 for entry in there.deks}
    missing = {f"dek/{version}" for version in found.missing()}
    writes = tuple(
        (key, value) for key, value in content.records if key in missing and record_sha256(value) == named[key]
    )
    why = (
        f"the topic stands at manifest {there.sequence}: {len(missing)} record(s) missing, {len(writes)} in the backup"
    )
    return _Plan(writes, whole=False, why=why)


async def _read(settings: Settings, *, unfit: bool = False) -> Keyring:
    """Return what the topic holds, be it nothing; unfit: of one with too many partitions as well."""
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - aiokafka is slow to import
    from aegis_stream.client.follow import ControlFollower  # noqa: PLC0415 - as above

    keyring = Keyring(deployment=settings.deployment, agent_keys=settings.agent_public_keys, accept_expired=True)
    follower = ControlFollower(
        keyring, connection=connection_kwargs(settings), topic=settings.topic_control, unfit=unfit
    )
    async with follower:
        await follower.wait_end(READ_S)
    return keyring


async def _write(settings: Settings, plan: _Plan) -> None:
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.control_writer import ControlWriter  # noqa: PLC0415 - as above
    from aegis_stream.client.publish import publish  # noqa: PLC0415 - as above

    connection = connection_kwargs(settings)
    if not plan.whole:
        await publish(connection, settings.topic_control, plan.writes)
        return
    async with ControlWriter(connection, settings.topic_control, deployment=settings.deployment) as writer:
        await writer.write(plan.writes)

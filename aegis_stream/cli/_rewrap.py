"""`aegis kek rewrap|retire`: from one KEK to the next, and the end of the old one."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import give, issue, new_command, run
from aegis_stream.control.arguments import KEK_ID, RetireKek, RotateKek
from aegis_stream.control.command import payload_sha256
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.rewrapping import open_deks, opens, rewrap_dek
from aegis_stream.errors import ConfigurationError, KEKError, KEKReason
from aegis_stream.kek import check_kek, get_kek_provider
from aegis_stream.kek.choice import configured
from aegis_stream.kek.variables import NEXT_PREFIX, PREFIX, Variables
from aegis_stream.keyring.entries import KekState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aegis_stream.client.command_client import CommandClient
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.settings import Settings

_INTERRUPTED = dt.timedelta(hours=1)

KekArgument = Annotated[
    str | None,
    typer.Argument(metavar="[KEK]", help="Id of a KEK in grace; the only one there is without it.", show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add these commands to `aegis kek`."""
    app.command("rewrap")(rewrap)
    app.command("retire")(retire)


@with_how
def rewrap(how: How) -> int:
    """Put the KEK of AEGIS_NEXT_… in force: wrap every DEK under it as well.  Both custodians sign.

    Needs both KEKs, AEGIS_… and AEGIS_NEXT_…, from any provider to any.  Every DEK is unwrapped with the old KEK,
    wrapped under the new one, unwrapped again with that and compared; only then anything is published, and it counts
    once both custodians have signed.  Interrupt it when you like and run it again: what is done already stays done.
    Readers load both KEKs until `aegis kek retire`.

    Exit codes: 0 done, or nothing was to be done, or it waits for the other signature; 1 refused or expired; 2
    configuration; 3 a KEK does not open what it should, or its keeper, Kafka or the agent is away.

    Example: `aegis kek rewrap --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    old, new = _load(PREFIX), _load(NEXT_PREFIX)

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            await _sweep(client, how)
            wraps = _wraps(client, old, new)
            if not wraps and client.manifest.current_kek.id == new.kek_id:
                _tell_nothing(how, new)
                return 0
            command = new_command(settings, RotateKek(new.get_public_key()), how.reason)
            rewraps = [
                (record.version, Rewrap(command.id, record.version, new.kek_id, wrapped).to_payload())
                for record, wrapped in wraps
            ]
            named = tuple((version, payload_sha256(payload)) for version, payload in rewraps)
            command = replace(command, arguments=RotateKek(new.get_public_key(), named))
            published = [(version.text, payload) for version, payload in rewraps]
            return await give(client, settings, command, how, rewraps=published)

    return run(ask)


@with_how
def retire(how: How, kek: KekArgument = None) -> int:
    """Drop a KEK in grace, and every wrap under it.  Both custodians sign.

    Refused while any DEK that is not destroyed hangs on it alone.  Where this process holds a KEK that stays
    (AEGIS_… or AEGIS_NEXT_…), every DEK is opened with it first.

    Exit codes: as `aegis kek rewrap`.

    Example: `aegis kek retire kek-67c7cf5630ec25f3 --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    if kek is not None and not KEK_ID.fullmatch(kek):
        raise ConfigurationError("a KEK's id is kek- and 16 hex digits", remedy="`aegis keys list` shows them")
    held = [_load(prefix) for prefix in (PREFIX, NEXT_PREFIX) if configured(Variables(prefix=prefix))]

    def make(client: CommandClient) -> RetireKek:
        leaving = kek or _only_in_grace(client)
        _check_others(client, [provider for provider in held if provider.kek_id != leaving], leaving=leaving)
        return RetireKek(leaving)

    return issue(how, make)


def _only_in_grace(client: CommandClient) -> str:
    found = [entry.id for entry in client.manifest.keks if entry.state is KekState.GRACE]
    if len(found) != 1:
        raise ConfigurationError(f"{len(found)} KEKs are in grace", remedy="name one: `aegis keys list` shows them")
    return found[0]


def _load(prefix: str) -> KEKProvider:
    """Return a KEK that the environment configures, after trying it."""
    provider = get_kek_provider(prefix=prefix, allow_in_memory=False)
    check_kek(provider)
    return provider


def _wraps(client: CommandClient, old: KEKProvider, new: KEKProvider) -> list[tuple[DekRecord, bytes]]:
    """Return what is to be wrapped anew, verified."""
    records = open_deks(client.manifest, client.records)
    wraps = []
    for record in _progress("wrapping DEKs", records):
        wrapped = rewrap_dek(record, held=[old], new=new)
        if wrapped is not None:
            wraps.append((record, wrapped))
    typer.echo(
        f"aegis: {len(wraps)} DEK(s) wrapped under {new.kek_id} ({new.name}) and opened again, "
        f"{len(records) - len(wraps)} had such a wrap and it opens",
        err=True,
    )
    return wraps


def _check_others(client: CommandClient, held: Sequence[KEKProvider], *, leaving: str) -> None:
    """Open every DEK with each KEK that stays and that this process holds."""
    in_force = {entry.id for entry in client.manifest.keks}
    staying = [kek for kek in held if kek.kek_id in in_force]
    if not staying:
        typer.echo(
            f"aegis: warning: no KEK but {leaving} is configured here: the wraps that stay are not tried", err=True
        )
        return
    for record in _progress("opening DEKs", open_deks(client.manifest, client.records)):
        if set(record.wraps) <= {leaving}:
            continue  # what would be carried out is refused for it, with the remedy
        if not any(opens(record, kek) for kek in staying):
            raise KEKError(
                KEKReason.WRONG_KEY,
                f"{record.version} does not open under {', '.join(kek.kek_id for kek in staying)}",
                remedy="wrap it again: `aegis kek rewrap`",
            )
    typer.echo("aegis: every DEK opens under a KEK that stays", err=True)


async def _sweep(client: CommandClient, how: How) -> None:
    """Take away the wraps that an interrupted run has published without a command; they can never count."""
    now = dt.datetime.now(dt.UTC)
    left = [key for key in client.orphans() if now - _made_at(key.split("/")[1]) > _INTERRUPTED]
    if left and not how.dry_run:
        await client.publish([(key, None) for key in left])


def _made_at(command_id: str) -> dt.datetime:
    """Return when a UUIDv7 was made."""
    return dt.datetime.fromtimestamp((uuid.UUID(command_id).int >> 80) / 1000, dt.UTC)


def _tell_nothing(how: How, new: KEKProvider) -> None:
    typer.echo(f"aegis: {new.kek_id} is the current KEK and opens every DEK: nothing to do", err=True)
    if how.json:
        typer.echo(orjson.dumps({"state": "unchanged", "kek": new.kek_id}))


def _progress(title: str, records: Sequence[DekRecord]) -> Iterator[DekRecord]:
    """Yield records, with a bar on standard error where somebody is looking."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as progress:
        yield from progress.track(records, description=title)

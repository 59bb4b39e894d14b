"""`aegis control`: the commands on the control topic, and the other custodian's answer to one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli._answer import approve_command, reject_command
from aegis_stream.cli._control_report import print_log, print_standing
from aegis_stream.cli._how import How, JsonOption, with_how
from aegis_stream.cli._issue import run
from aegis_stream.control.standing import changes_of, shape_of
from aegis_stream.settings.terms import terms_of

if TYPE_CHECKING:
    from aegis_stream.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Show the commands on the control topic; approve or reject one.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the command: `aegis control log` shows it.")]


@app.command("log")
def log(*, json: JsonOption = False) -> int:
    """List the commands that the control topic still holds, the newest last: state, who has signed, who is missing.

    Exit codes: 0 shown, 1 the manifest is refused, 2 configuration, 3 Kafka is away.

    Example: `aegis control log --json`
    """

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            shapes = [shape_of(standing) for standing in client.standings()]
        if json:
            typer.echo(orjson.dumps({"commands": shapes}))
        else:
            print_log(shapes)
        return 0

    return run(ask)


@app.command("show")
def show(command_id: IdArgument, *, json: JsonOption = False) -> int:
    """Show one command: what it asks for, what it would change now, its signatures, and the agent's answer.

    Exit codes: 0 shown, 1 there is no such command or the manifest is refused, 2 configuration, 3 Kafka is away.

    Example: `aegis control show 0190a6a0-0000-7000-8000-000000000000`
    """

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            standing = client.standing(command_id)
            shape = shape_of(standing) | changes_of(
                standing,
                manifest=client.manifest,
                records=client.records,
                terms=terms_of(settings),
                now=dt.datetime.now(dt.UTC),
            )
        if json:
            typer.echo(orjson.dumps(shape, option=orjson.OPT_INDENT_2))
        else:
            print_standing(shape)
        return 0

    return run(ask)


@app.command("approve")
@with_how
def approve(how: How, command_id: IdArgument) -> int:
    """Sign another's command as the custodian whose key is given, a new custodian, or the keeper of the recovery key.

    Shows first what the command asks for and would change.

    Exit codes: 0 executed, or waiting for a signature or a veto; 1 refused or expired, or the key's signature would not
    count; 2 configuration; 3 Kafka is away or the agent has not answered.

    Example: `aegis control approve 0190a6a0-0000-7000-8000-000000000000 --key security-lead.key`
    """
    return approve_command(how, command_id)


@app.command("reject")
@with_how
def reject(how: How, command_id: IdArgument) -> int:
    """Refuse a command as a custodian, or veto the replacement of one's own key; --reason says why.

    Exit codes: 0 rejected, 1 it was executed or expired before, or the key is no custodian's, 2 configuration, 3 Kafka
    is away or the agent has not answered.

    Example: `aegis control reject 0190a6a0-0000-7000-8000-000000000000 --key risk-lead.key --reason "not asked for"`
    """
    return reject_command(how, command_id)

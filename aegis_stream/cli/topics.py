"""`aegis topics`: make the deployment's topics, and say what is wrong with those that are there."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli._exit import OK, REFUSED, say_error, say_hint
from aegis_stream.client.topics.acls import AclRole
from aegis_stream.errors import ConfigurationError
from aegis_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.client.topics import Finding, TopicsCreated

app = typer.Typer(no_args_is_help=True, help="Make the topics of a deployment, or check those that are there.")

ReplicationOption = Annotated[
    int | None,
    typer.Option(
        "--replication",
        metavar="N",
        min=1,
        help="Replicas of every topic: 3 by default, outside production as many as there are brokers if fewer.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of lines.")]

PRODUCTION_REPLICATION = 3


@app.command("create")
def create(
    *,
    partitions: Annotated[
        int | None,
        typer.Option(
            "--partitions",
            metavar="N",
            min=1,
            help="Partitions of the raw topic and those that follow it: 6 by default, the raw topic's if it is there.",
        ),
    ] = None,
    replication: ReplicationOption = None,
    raw_max_bytes: Annotated[
        int | None,
        typer.Option("--raw-max-bytes", metavar="N", min=1024, help="max.message.bytes of a raw topic yet to be made."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make the topics that are missing, with fitting settings; change none that is there, but say what is wrong.

    Exit codes: 0 all is well, 1 a topic that was there is wrong, 2 configuration, 3 Kafka is away or refuses.

    Example: `aegis topics create --partitions 12`
    """
    settings = load_settings()
    done = asyncio.run(_create(settings, partitions, _told(settings, replication), raw_max_bytes))
    if json:
        made = [asdict(plan) for plan in done.created]
        typer.echo(orjson.dumps({"created": made, "findings": [asdict(each) for each in done.findings]}))
    else:
        for plan in done.created:
            typer.echo(f"created {plan.name} (partitions: {plan.partitions}, replicas: {plan.replication})")
        if not done.created:
            typer.echo("all topics are there already")
    return _tell(done.findings, quiet=json)


@app.command("check")
def check(*, replication: ReplicationOption = None, json: JsonOption = False) -> int:
    """Compare the topics that are there with what the deployment needs.

    Exit codes: 0 all is well, 1 something differs, 2 configuration, 3 Kafka is away.

    Example: `aegis topics check --json`
    """
    settings = load_settings()
    findings = asyncio.run(_check(settings, _told(settings, replication)))
    if json:
        typer.echo(orjson.dumps({"findings": [asdict(each) for each in findings]}))
    elif not findings:
        typer.echo("the topics are as they must be")
    return _tell(findings, quiet=json)


@app.command("acls")
def acls(
    *,
    role: Annotated[
        list[AclRole] | None, typer.Option("--role", help="Of this role alone; may be repeated.", show_default=False)
    ] = None,
    principal: Annotated[
        list[str] | None,
        typer.Option("--principal", metavar="ROLE=NAME", help="This user in place of User:ROLE; may be repeated."),
    ] = None,
    json: JsonOption = False,
) -> int:
    """Print the least rights of each role, for the names of these settings, as commands of Kafka's own tool.

    Nothing is asked of a broker.  `admin.properties` is the file by which kafka-acls.sh logs in as who may change ACLs.

    Exit codes: 0 printed, 2 configuration.

    Example: `aegis topics acls --role enricher --principal enricher=team-a`
    """
    from aegis_stream.client.topics.acls import TASKS, commands, plan_acls  # noqa: PLC0415 - aiokafka is slow to import

    settings = load_settings()
    principals = _principals(principal or [])
    plan = plan_acls(settings, roles=role)
    bootstrap = settings.broker or "BROKER:9092"
    if json:
        shown = [
            {
                **asdict(acl),
                "principal": principals[acl.role],
                "task": TASKS[acl.role],
                "command": acl.command(principal=principals[acl.role], bootstrap=bootstrap),
            }
            for acl in plan
        ]
        typer.echo(orjson.dumps({"acls": shown}, option=orjson.OPT_INDENT_2))
    else:
        for line in commands(plan, principals=principals, bootstrap=bootstrap):
            typer.echo(line)
    return OK


def _principals(given: Sequence[str]) -> dict[AclRole, str]:
    """Return who has each role.  Raises ConfigurationError: no such role, or no name."""
    principals = {role: f"User:{role.value}" for role in AclRole}
    for entry in given:
        role, _, name = entry.partition("=")
        if role not in set(AclRole) or not name:
            raise ConfigurationError(
                "--principal has the form ROLE=NAME", remedy=f"roles are {', '.join(each.value for each in AclRole)}"
            )
        principals[AclRole(role)] = name if name.startswith("User:") else f"User:{name}"
    return principals


def _told(settings: Settings, replication: int | None) -> int | None:
    """Production wants three replicas unless told otherwise, however few brokers there are now."""
    if replication is None and settings.environment == "production":
        return PRODUCTION_REPLICATION
    return replication


def _tell(findings: Sequence[Finding], *, quiet: bool) -> int:
    """Say each finding with its remedy, and return the exit code: 1 if any is an error."""
    wrong = False
    for finding in findings:
        wrong = wrong or finding.weight == "error"
        if quiet:
            continue
        text = f"{finding.topic}: {finding.what} is {finding.found}, wanted: {finding.wanted}"
        if finding.weight == "error":
            say_error(text)
        else:
            typer.echo(f"aegis: warning: {text}", err=True)
        say_hint(finding.remedy)
    return REFUSED if wrong else OK


async def _create(
    settings: Settings, partitions: int | None, replication: int | None, raw_max_bytes: int | None
) -> TopicsCreated:
    # aiokafka takes a quarter of a second to import, which `aegis --help` need not wait for
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415
    from aegis_stream.client.topics import TopicNames, create_topics  # noqa: PLC0415

    return await create_topics(
        connection_kwargs(settings),
        TopicNames.of(settings),
        partitions=partitions,
        replication=replication,
        raw_max_message_bytes=raw_max_bytes,
    )


async def _check(settings: Settings, replication: int | None) -> list[Finding]:
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.topics import TopicNames, check_topics  # noqa: PLC0415 - as above

    return await check_topics(connection_kwargs(settings), TopicNames.of(settings), replication=replication)

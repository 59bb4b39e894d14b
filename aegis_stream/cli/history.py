"""`aegis history`: what encrypted history is made of, and what a re-encryption needs and leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli._exit import OK
from aegis_stream.cli._history_report import as_json, print_refused, print_report
from aegis_stream.cli._progress import ReadProgress
from aegis_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from aegis_stream.client.refused import RefusedPlace
    from aegis_stream.client.remaining import Remains
    from aegis_stream.client.topics import TopicPlan
    from aegis_stream.keyring.manifest import Manifest

app = typer.Typer(no_args_is_help=True, help="Count history by DEK version, and prepare its re-encryption.")

TopicsOption = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TOPIC", help="Look at this topic as well; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]


@app.command("audit")
def audit(*, topic: TopicsOption = None, json: JsonOption = False) -> int:
    """Count events by DEK version, without any key, and say when each version can be destroyed without loss.

    Reads the encrypted topic whole, the refused records of a re-encryption beside it, and which dead letters nobody has
    replayed or discarded.  The version is what a record claims: whoever may write to the topic can add to a count.

    Exit codes: 0 done, 2 configuration, 3 Kafka is away or refuses.

    Example: `aegis history audit --topic aegis.encrypted-2 --json`
    """
    remains, manifest = asyncio.run(_audit(load_settings(), topic or []))
    now = dt.datetime.now(dt.UTC)
    if json:
        typer.echo(orjson.dumps(as_json(remains, manifest, now), option=orjson.OPT_INDENT_2))
    else:
        print_report(remains, manifest, now)
    return OK


@app.command("prepare")
def prepare(
    target: Annotated[
        str, typer.Argument(metavar="TOPIC", help="The new topic; its name begins best with the old one's.")
    ],
    *,
    source: Annotated[
        str | None, typer.Option("--source", metavar="TOPIC", help="The topic to be read: AEGIS_TOPIC_ENCRYPTED.")
    ] = None,
    json: JsonOption = False,
) -> int:
    """Make the new topic of a re-encryption and TOPIC.refused beside it, with partitions and retention of the old one.

    Exit codes: 0 both are made, 2 configuration, 3 Kafka is away or refuses, or one of them is there already.

    Example: `aegis history prepare aegis.encrypted-2`
    """
    settings = load_settings()
    plans = asyncio.run(_prepare(settings, source or settings.topic_encrypted, target))
    if json:
        typer.echo(orjson.dumps({"created": [asdict(plan) for plan in plans]}))
    else:
        for plan in plans:
            typer.echo(f"created {plan.name} (partitions: {plan.partitions}, replicas: {plan.replication})")
    return OK


@app.command("refused")
def refused(
    topic: Annotated[
        str, typer.Argument(metavar="TOPIC", help="Topic of refused records, as aegis.encrypted-2.refused.")
    ],
    *,
    json: JsonOption = False,
) -> int:
    """List what a re-encryption has refused: reason and place of each record, without any key.

    Exit codes: 0 none, 1 there are some, 2 configuration, 3 Kafka is away or refuses.

    Example: `aegis history refused aegis.encrypted-2.refused`
    """
    places = asyncio.run(_refused(load_settings(), topic))
    if json:
        typer.echo(orjson.dumps({"topic": topic, "refused": [asdict(place) for place in places]}))
    else:
        print_refused(places)
    return 1 if places else OK


async def _audit(settings: Settings, topics: list[str]) -> tuple[Remains, Manifest | None]:
    # aiokafka takes a quarter of a second to import, which `aegis --help` need not wait for
    from aegis_stream.client.remaining import read_remains  # noqa: PLC0415

    manifest = await _manifest(settings)
    with ReadProgress("counting") as progress:
        remains = await read_remains(settings, more_topics=topics, on_begin=progress.expect, on_records=progress.count)
    return remains, manifest


async def _manifest(settings: Settings) -> Manifest | None:
    """Return the manifest, expired or not; None where this user pins no agent's key, so that none can be believed."""
    from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - as above

    if not settings.agent_public_keys:
        return None
    async with CommandClient(settings) as client:
        return client.manifest


async def _prepare(settings: Settings, source: str, target: str) -> list[TopicPlan]:
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.topics.history import create_history_topics  # noqa: PLC0415 - as above

    return await create_history_topics(connection_kwargs(settings), source=source, target=target)


async def _refused(settings: Settings, topic: str) -> list[RefusedPlace]:
    from aegis_stream.client.connection import connection_kwargs  # noqa: PLC0415 - as above
    from aegis_stream.client.refused import read_refused  # noqa: PLC0415 - as above

    with ReadProgress("reading") as progress:
        return await read_refused(
            connection_kwargs(settings), topic, on_begin=progress.expect, on_records=progress.count
        )

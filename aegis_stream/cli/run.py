"""`aegis run`: the long-lived processes, each in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from aegis_stream.cli._bounds import FromOffsetsOption, FromTimeOption, UntilOffsetsOption, UntilTimeOption, bound
from aegis_stream.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Run one of the long-lived processes, in the foreground.")


@app.command()
def enricher() -> int:
    """Encrypt what comes in on the raw topic and write it to the encrypted topic.

    Waits, not ready, until the control topic was read; /health, /ready and /metrics are on AEGIS_WEB_HOST, port
    AEGIS_WEB_PORT.  SIGTERM finishes and commits what is begun.

    Exit codes: 0 stopped, 2 configuration, 3 Kafka is away or a topic is not fit, 70 something unexpected: nothing was
    committed after it, start it again.

    Example: `AEGIS_BROKER=localhost:9092 aegis run enricher`
    """
    from topologies.protect_events import run_enricher  # noqa: PLC0415 - Faust takes half a second to import

    return run_enricher(load_settings())


@app.command()
def rotator(
    *,
    accept_rollback: Annotated[
        int | None,
        typer.Option(
            "--accept-rollback",
            metavar="SEQUENCE",
            min=1,
            help="Go on from this sequence although the topic stands below what this agent has published.",
        ),
    ] = None,
) -> int:
    """Carry out signed commands, rotate by AEGIS_ROTATION_INTERVAL, and keep the control topic's records right.

    Signs a fresh manifest every AEGIS_MANIFEST_INTERVAL_S seconds.  One runs for a deployment; a second one takes over
    from the first.

    Exit codes: 0 stopped, 1 an operator must look (the last log line says at what), 2 configuration, 70 something
    unexpected, 75 another agent has taken over: start this one later.

    Example: `aegis run rotator`
    """
    from topologies.rotate_deks import run_rotator  # noqa: PLC0415 - it brings an event loop that others do not need

    return run_rotator(load_settings(), accept_rollback=accept_rollback)


@app.command()
def reencryptor(  # noqa: PLR0913 - the options of a command
    *,
    to: Annotated[str, typer.Option("--to", metavar="TOPIC", help="The new topic; `aegis history prepare` makes it.")],
    source: Annotated[
        str | None, typer.Option("--source", metavar="TOPIC", help="Read this instead of AEGIS_TOPIC_ENCRYPTED.")
    ] = None,
    refused: Annotated[
        str | None, typer.Option("--refused", metavar="TOPIC", help="Where refused records go: TO.refused without it.")
    ] = None,
    below: Annotated[
        str | None,
        typer.Option(
            "--below", metavar="VERSION", help="Encrypt anew what is below this DEK; the active one without it."
        ),
    ] = None,
    from_time: FromTimeOption = None,
    until_time: UntilTimeOption = None,
    from_offsets: FromOffsetsOption = None,
    until_offsets: UntilOffsetsOption = None,
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=1, max=10_000, help="The most records of one transaction.")
    ] = 2_000,
    max_rate: Annotated[
        float | None,
        typer.Option("--max-rate", metavar="N", min=1, help="The most records a second: spares brokers."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="JSON lines: how it stands, once a second, and the account as the last one.")
    ] = False,
) -> int:
    """Copy encrypted history to a new topic, old DEK versions encrypted anew under the active one; then end.

    Partition, order, key, headers and timestamp stay, and the authenticated source.  Needs a KEK, as a reader, and an
    enrolled session-signing key, as an enricher.  Run again, it goes on where it stopped, whatever stopped it, to the
    end that the topic has then.

    Exit codes: 0 done, 1 done, but refused records lie sealed on the topic of refused records, 2 configuration, 3 Kafka
    or the KEK's keeper is away or a topic is not fit, 70 something unexpected, 75 stopped before the end, or another
    process has taken over: run it again.

    Example: `aegis history prepare aegis.encrypted-2 && aegis run reencryptor --to aegis.encrypted-2`
    """
    from aegis_stream.cli._reencrypt import run_and_tell  # noqa: PLC0415 - aiokafka is slow to import
    from aegis_stream.wire import DekVersion  # noqa: PLC0415 - as above

    return run_and_tell(
        load_settings(),
        source=source,
        target=to,
        refused_topic=refused or f"{to}.refused",
        below=None if below is None else DekVersion.parse(below),
        since=bound(from_offsets, from_time),
        until=bound(until_offsets, until_time),
        batch=batch,
        max_rate=max_rate,
        json=json,
    )

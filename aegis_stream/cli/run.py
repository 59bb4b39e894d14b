"""`aegis run`: the long-lived processes, each in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from aegis_stream.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Run one of the long-lived processes, in the foreground.")


@app.command()
def enricher() -> int:
    """Encrypt what comes in on the raw topic and write it to the encrypted topic.

    Waits, not ready, until the control topic was read; /health, /ready and /metrics are on 127.0.0.1, port
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

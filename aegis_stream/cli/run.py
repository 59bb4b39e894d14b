"""`aegis run`: the long-lived processes, each in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

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

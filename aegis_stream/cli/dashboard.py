"""`aegis dashboard`: the operators' page."""

from __future__ import annotations

import importlib.util
from typing import Annotated

import typer

from aegis_stream.errors import ConfigurationError
from aegis_stream.settings import load_settings


def dashboard(
    *,
    enricher: Annotated[
        list[str] | None,
        typer.Option(
            "--enricher",
            metavar="URL",
            help="Address of an enricher's pages, http://host:port; may be given several times.",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="HOST",
            help="Where to listen: 127.0.0.1 by default; a host that others reach needs AEGIS_DASHBOARD_TOKEN.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="6067 by default; 0: any that is free.")
    ] = None,
) -> int:
    """Show keyring, commands, enrichers and dead letters on a web page that only reads.

    Follows the control topic with the rotation agent's public keys (operator.env); refuses to start beside a private
    key.  /metrics is for Prometheus, /health for supervisors.

    Exit codes: 0 stopped, 2 configuration.

    Example: `aegis dashboard --enricher http://127.0.0.1:6066`
    """
    settings = load_settings(
        dashboard_host=host, dashboard_port=port, dashboard_enrichers=",".join(enricher) if enricher else None
    )
    if not all(importlib.util.find_spec(name) for name in ("starlette", "uvicorn")):
        raise ConfigurationError(
            "the dashboard's packages are not installed", remedy="pip install 'aegis-stream[dashboard]'"
        )
    from aegis_stream.dashboard.server import run_dashboard  # noqa: PLC0415 - an extra, and slow to import

    return run_dashboard(settings)

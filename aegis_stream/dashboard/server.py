"""Serve the page from this process until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn

from aegis_stream.dashboard.access import Access, check_token, is_loopback
from aegis_stream.dashboard.app import build_app
from aegis_stream.dashboard.board import Board
from aegis_stream.dashboard.watch import Watch
from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import check_secret_file
from aegis_stream.settings.reference import NEXT_PREFIX, variables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType

    from aegis_stream.settings import Settings

STOP_S = 3
MOST_REQUESTS = 200
_ADDRESS = re.compile(r"https?://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}", re.ASCII)
_NOT_A_KEY = ("AEGIS_KAFKA_", "AEGIS_DASHBOARD_")


def run_dashboard(settings: Settings) -> int:
    """Serve until stopped; returns 0.

    Raises ConfigurationError: no token on a host that others reach, a private key in the environment, an enricher's
    address that is none, a port that is taken; as CommandClient.
    """
    token = None if settings.dashboard_token is None else settings.dashboard_token.get_secret_value()
    check_token(token, host=settings.dashboard_host)
    refuse_private_keys(os.environ)
    enrichers = enricher_addresses(settings.dashboard_enrichers)
    certificate, key = _tls(settings)
    board = Board()
    watch = Watch(settings, board, enrichers=enrichers)
    listener = listen(settings.dashboard_host, settings.dashboard_port)
    config = uvicorn.Config(
        build_app(board, Access(token)),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_S,
        limit_concurrency=MOST_REQUESTS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    _say_where(listener, settings.dashboard_host, tls=certificate is not None, token=token is not None)
    asyncio.run(_serve(_Server(config, board), watch, listener))
    return 0


class _Server(uvicorn.Server):
    """Ends the streams when it is told to stop; else it would wait for readers that never leave."""

    def __init__(self, config: uvicorn.Config, board: Board) -> None:
        super().__init__(config)
        self._board = board
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # stopping is what was asked for: the exit code is 0
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._board.close)


async def _serve(server: _Server, watch: Watch, listener: socket.socket) -> None:
    watching = asyncio.create_task(watch.run(), name="watch")
    serving = asyncio.create_task(server.serve([listener]), name="serve")
    await asyncio.wait([watching, serving], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    watching.cancel()
    ended = await asyncio.gather(serving, watching, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError):
            raise each


def refuse_private_keys(environ: Mapping[str, str]) -> None:
    """Refuse to start beside a private key: this process has no use for one, and a page is a way in."""
    names = [variable.name for variable in variables() if variable.secret and not variable.name.startswith(_NOT_A_KEY)]
    names += [NEXT_PREFIX + name.removeprefix("AEGIS_") for name in names]
    held = [name + end for name in names for end in ("", "_FILE") if environ.get(name + end)]
    if held:
        raise ConfigurationError(
            f"{', '.join(held)}: the dashboard is given no private key and no PIN",
            remedy="start it with the variables of operator.env alone, as `aegis keys init` wrote them",
        )


def enricher_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a list with commas.  Raises ConfigurationError: one is not http://host:port."""
    found = tuple(dict.fromkeys(each.strip().rstrip("/") for each in text.split(",") if each.strip()))
    if not all(_ADDRESS.fullmatch(each) for each in found):
        raise ConfigurationError(
            "an enricher's address is not http://host:port",
            remedy="give the address of its /metrics page, as in --enricher http://127.0.0.1:6066",
        )
    return found


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any that is free.  Raises ConfigurationError: it cannot be had."""
    problem = ""
    try:
        family, _, _, _, place = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(place[:2], family=family)
    except OSError as error:
        problem = error.strerror or "no such host"
    raise ConfigurationError(
        f"the dashboard cannot listen on {host}, port {port} ({problem})", remedy="choose another --host or --port"
    )


def _tls(settings: Settings) -> tuple[Path | None, Path | None]:
    certificate, key = settings.dashboard_tls_certfile, settings.dashboard_tls_keyfile
    if certificate is None and key is None:
        return None, None
    if certificate is None or key is None:
        raise ConfigurationError(
            "AEGIS_DASHBOARD_TLS_CERTFILE and AEGIS_DASHBOARD_TLS_KEYFILE: one of the two is not set",
            remedy="set both, or neither",
        )
    check_secret_file(key, name="AEGIS_DASHBOARD_TLS_KEYFILE")
    return certificate, key


def _say_where(listener: socket.socket, host: str, *, tls: bool, token: bool) -> None:
    port = listener.getsockname()[1]
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    sys.stderr.write(f"aegis: dashboard on {'https' if tls else 'http'}://{name}:{port}/\n")
    if not tls and not is_loopback(host):
        sys.stderr.write("aegis: warning: without TLS the token can be read on the way; put a TLS proxy before it\n")
    if token:
        sys.stderr.write("aegis: the page asks for AEGIS_DASHBOARD_TOKEN\n")

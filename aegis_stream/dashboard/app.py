"""The routes: a page, its files, the state as JSON and as a stream, metrics, health, and signing in.

Every route only reads; the two that take a POST set and remove a cookie.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.responses import StreamingResponse as Streaming
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from aegis_stream.dashboard.access import COOKIE, SIGNED_IN_S
from aegis_stream.dashboard.guard import Guard
from aegis_stream.dashboard.metrics import metrics_text
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from aegis_stream.dashboard.access import Access
    from aegis_stream.dashboard.board import Board

STATIC = Path(__file__).parent / "static"
HEARTBEAT_S = 15.0
STREAM_S = 3_600.0
"""After that a stream ends, and the browser's next one is judged anew."""
MOST_STREAMS = 50
MAX_FORM_BYTES = 4_096


class Pages:
    """The routes' code."""

    def __init__(self, board: Board, access: Access) -> None:
        """Show `board` to whom `access` lets in."""
        self._board = board
        self._access = access
        self._streams = 0

    async def page(self, _request: Request) -> Response:
        """Return the page; it fills itself from /events."""
        return FileResponse(STATIC / "index.html")

    async def state(self, _request: Request) -> Response:
        """Return everything as one JSON object."""
        return Response(_message(dict(self._board.since())), media_type="application/json")

    async def events(self, _request: Request) -> Response:
        """Return a stream of server-sent events: all sections at once, then those that change."""
        if self._streams >= MOST_STREAMS:
            return PlainTextResponse("too many are looking\n", 503)
        headers = {"X-Accel-Buffering": "no"}
        return Streaming(self._stream(), media_type="text/event-stream", headers=headers)

    async def metrics(self, _request: Request) -> Response:
        """Return what Prometheus reads."""
        return Response(metrics_text(self._board), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(self, _request: Request) -> Response:
        """Return 200 while the control topic is being read, else 503; names nothing of the deployment."""
        control = self._board.section("control") or {"state": "starting"}
        good = control["state"] == "following"
        return Response(orjson.dumps({"status": control["state"]}), 200 if good else 503, media_type="application/json")

    async def login(self, request: Request) -> Response:
        """Show the form, or take what it sends."""
        if not self._access.needs_token:
            return RedirectResponse("/", 303)
        if request.method == "GET":
            return _form("")
        form = parse_qs((await request.body()).decode(errors="replace"))
        cookie = await self._access.sign_in(form.get("token", [""])[0])
        if cookie is None:
            return _form("This is not the token.", 401)
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, cookie, max_age=SIGNED_IN_S, httponly=True, samesite="strict", secure=secure)
        return answer

    async def logout(self, _request: Request) -> Response:
        """Remove the cookie."""
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def _stream(self) -> AsyncIterator[bytes]:
        board, loop = self._board, asyncio.get_running_loop()
        self._streams += 1
        try:
            sent, end = 0, loop.time() + STREAM_S
            while not board.closed and loop.time() < end:
                version, changed = board.version, dict(board.since(sent))
                if changed or not sent:
                    yield b"event: state\ndata: " + _message(changed) + b"\n\n"
                    sent = version
                if not await board.wait(sent, HEARTBEAT_S) and not board.closed:
                    yield b"event: beat\ndata: still here\n\n"
        finally:
            self._streams -= 1


def build_app(board: Board, access: Access) -> Starlette:
    """Return the ASGI application."""
    pages = Pages(board, access)
    return Starlette(
        routes=[
            Route("/", pages.page),
            Route("/api/state", pages.state),
            Route("/events", pages.events),
            Route("/metrics", pages.metrics),
            Route("/health", pages.health),
            Route("/login", pages.login, methods=["GET", "POST"]),
            Route("/logout", pages.logout, methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(Guard, access=access)],
        max_body_size=MAX_FORM_BYTES,
    )


def _message(sections: dict[str, object]) -> bytes:
    return orjson.dumps({"now": time_text(dt.datetime.now(dt.UTC)), "sections": sections})


def _form(message: str, status: int = 200) -> Response:
    """Return the form; `message` is one of ours, never the sender's."""
    text = (STATIC / "login.html").read_text("utf-8").replace("{{ message }}", message)
    return HTMLResponse(text, status)

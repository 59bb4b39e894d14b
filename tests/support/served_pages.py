"""The dashboard's pages over real HTTP, with a board that the test fills."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import uvicorn

from aegis_stream.dashboard.access import Access
from aegis_stream.dashboard.app import build_app
from aegis_stream.dashboard.board import Board
from aegis_stream.dashboard.server import listen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Answer(NamedTuple):
    """Status, headers by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Pages:
    """What is served, and a client for it."""

    def __init__(self, board: Board, loop: asyncio.AbstractEventLoop, port: int) -> None:
        """Speak to `port`; the board belongs to `loop`."""
        self.board = board
        self.port = port
        self._loop = loop

    def put(self, name: str, value: object) -> None:
        """Put a section up."""
        asyncio.run_coroutine_threadsafe(self._put(name, value), self._loop).result(30)

    async def _put(self, name: str, value: object) -> None:
        self.board.put(name, value)

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """Ask once, following no redirect."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())
        finally:
            connection.close()

    @contextmanager
    def stream(self) -> Iterator[http.client.HTTPResponse]:
        """Open /events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/events")
            yield connection.getresponse()
        finally:
            connection.close()


@contextmanager
def served_pages(token: str | None = None) -> Iterator[Pages]:
    """Serve an empty board from a thread."""
    loop, board = asyncio.new_event_loop(), Board()
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(build_app(board, Access(token)), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=loop.run_until_complete, args=(server.serve([listener]),), daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield Pages(board, loop, listener.getsockname()[1])
    finally:
        server.should_exit = True
        loop.call_soon_threadsafe(board.close)
        thread.join(30)
        listener.close()
        loop.close()

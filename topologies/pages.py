"""The pages for whoever runs the process: /live, /health, /ready and /metrics, at AEGIS_WEB_HOST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from topologies.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    import faust
    from faust.web import Request, Response, View

OK = 200
UNAVAILABLE = 503


class Condition(NamedTuple):
    """A page's answer: good or not, and what an operator should know."""

    good: bool
    facts: dict[str, Any]


class Watched(Protocol):
    """What the pages ask."""

    def health(self) -> Condition:
        """Tell whether everything is as it should be."""
        ...

    def readiness(self) -> Condition:
        """Tell whether events pass."""
        ...

    def metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        ...


def add_pages(app: faust.App, watched: Watched) -> None:
    """Serve the pages from the application's web server."""

    @app.page("/live")
    async def live(view: View, _request: Request) -> Response:
        return view.json({"status": "live"})

    @app.page("/health")
    async def health(view: View, _request: Request) -> Response:
        return _answer(view, watched.health())

    @app.page("/ready")
    async def ready(view: View, _request: Request) -> Response:
        return _answer(view, watched.readiness())

    @app.page("/metrics")
    async def metrics(view: View, _request: Request) -> Response:
        media_type, _, charset = CONTENT_TYPE.partition("; charset=")
        return view.bytes(watched.metrics(), headers={"Content-Type": f"{media_type}; charset={charset or 'utf-8'}"})


def _answer(view: View, condition: Condition) -> Response:
    return view.json(condition.facts, status=OK if condition.good else UNAVAILABLE)

"""Structured logs: one JSON object a line on standard error, for our lines and the libraries' alike.

Tracebacks are reduced to classes and places.  Neither locals nor the texts of foreign errors are shown: a parser's
error quotes its input.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import CorruptRecordException, KafkaError

from aegis_stream.errors import AegisError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, MutableMapping

    from structlog.typing import Processor

    from aegis_stream.settings import Settings

_LIBRARIES = ("aiokafka", "faust", "mode", "asyncio", "aiohttp", "kafka", "concurrent")
"""Their INFO is shown where ours asks for DEBUG, and their DEBUG never: it holds records and keys."""

SERVICE_LOG = logging.getLogger("mode.aegis")
"""Where Faust writes of the starts and stops of our services; left alone it would write under our modules' names."""

REPEAT_AFTER_S = 10.0
"""While a broker is away its clients say so many times a second; one line of a kind in so long is enough."""

_SHOWABLE = (AegisError, KafkaError, OSError)
"""Errors whose text speaks of brokers, files and settings, never of events."""


def configure_logging(settings: Settings) -> None:
    """Send everything to standard error in the form and from the level of `settings`; replaces what was there."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        places_only,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = structlog.processors.JSONRenderer()
    if settings.log_format == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(Repeats(_LIBRARIES))
    handler.addFilter(_without_foreign_texts)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    theirs = max(logging.INFO if level <= logging.DEBUG else logging.WARNING, level)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(theirs)
    logging.captureWarnings(capture=True)


class Repeats(logging.Filter):
    """Lets one line of a kind (its place in the code) through in REPEAT_AFTER_S, of the given libraries."""

    def __init__(self, libraries: Collection[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        """`libraries`: the first parts of the names of their loggers."""
        super().__init__()
        self._libraries = frozenset(libraries)
        self._clock = clock
        self._shown: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to show a line."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        kind, now = (record.pathname, record.lineno), self._clock()
        if now - self._shown.get(kind, -REPEAT_AFTER_S) < REPEAT_AFTER_S:
            return False
        self._shown[kind] = now
        return True


def places_only(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the error's class, its places and, where that is safe, its text."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["error"] = _shown(error)
        event["places"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def _without_foreign_texts(record: logging.LogRecord) -> bool:
    """Show errors among a line's arguments by their class, as in `log.error("failed: %r", error)` of a library."""
    if isinstance(record.args, tuple):
        record.args = tuple(_shown_argument(argument) for argument in record.args)
    if isinstance(record.msg, BaseException):
        record.msg = _shown(record.msg)
    record.stack_info = None
    return True


def _shown_argument(argument: object) -> object:
    return _Shown(_shown(argument)) if isinstance(argument, BaseException) else argument


class _Shown(str):
    """A text that looks the same under %s and %r."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _shown(error: BaseException) -> str:
    """Return an error's class, with its text where its class is known to quote no event."""
    name = type(error).__name__
    safe = isinstance(error, _SHOWABLE) and not isinstance(error, CorruptRecordException)
    text = str(error) if safe else ""
    return f"{name}: {text}" if text else name

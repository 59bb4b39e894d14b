"""Structured logs: one JSON object a line on standard error, for our lines and the libraries' alike.

Tracebacks are reduced to classes and places.  Neither locals nor the texts of foreign errors are shown: a parser's
error quotes its input.
"""

from __future__ import annotations

import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka.errors import CorruptRecordException, KafkaError

from aegis_stream.errors import AegisError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import Processor

    from aegis_stream.settings import Settings

_QUIET = ("aiokafka", "faust", "mode", "asyncio", "aiohttp", "kafka", "concurrent")
"""Libraries that write records or keys into their debug lines: never below INFO."""

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
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    logging.captureWarnings(capture=True)


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

"""What a failed command says and with which code it ends."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

import typer

from aegis_stream.errors import AegisError, BrokerError, ConfigurationError, KEKError, KEKReason
from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

OK = 0
REFUSED = 1
USAGE = 2
UNAVAILABLE = 3
INTERRUPTED = 130

_LONGEST_LINE = 10_000

_KEK_CONFIGURATION = {
    KEKReason.NOT_CONFIGURED,
    KEKReason.INCOMPLETE,
    KEKReason.CONFLICT,
    KEKReason.UNSUPPORTED,
    KEKReason.EXTRA_MISSING,
    KEKReason.FORBIDDEN,
    KEKReason.MISMATCH,
}


def exit_code(error: AegisError) -> int:
    """Return 1 for what was refused, 2 for what is configured wrongly, 3 for Kafka and the KEK's keeper."""
    if isinstance(error, ConfigurationError):
        return USAGE
    if isinstance(error, KEKError):
        return USAGE if error.reason in _KEK_CONFIGURATION else UNAVAILABLE
    if isinstance(error, BrokerError) or error.retryable:
        return UNAVAILABLE
    return REFUSED


def say_error(text: str) -> None:
    """Write one `aegis: error:` line to standard error."""
    sys.stderr.write(f"aegis: error: {_shown(text)}\n")


def say_hint(text: str) -> None:
    """Write one `aegis: hint:` line to standard error."""
    sys.stderr.write(f"aegis: hint: {_shown(text)}\n")


def _shown(text: str) -> str:
    """Return lines for a terminal: what they quote, others may have written."""
    return "\n".join(plain(line, longest=_LONGEST_LINE) for line in text.split("\n"))


class _LogLines(logging.Handler):
    """Log lines of a command, where nobody has set up logging: warnings of ours, errors of libraries."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("aegis_stream") or record.levelno >= logging.ERROR:
            sys.stderr.write(f"aegis: {record.levelname.lower()}: {record.getMessage()}\n")


def run(app: typer.Typer, arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; every failure is told in one or two lines, without a traceback.

    An error outside our tree is a defect of ours and keeps its traceback.
    """
    logging.lastResort = _LogLines(logging.WARNING)
    command = typer.main.get_command(app)
    try:
        result = command.main(args=list(arguments), prog_name="aegis", standalone_mode=False)
        sys.stdout.flush()
    except AegisError as error:
        say_error(str(error))
        if error.remedy:
            say_hint(error.remedy)
        return exit_code(error)
    except typer.TyperException as error:
        return _usage(error)
    except typer.Abort:
        say_error("given up at a question")
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has gone; nothing is left to say, and Python's own flush at exit must not fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    return result if isinstance(result, int) else OK


def _usage(error: typer.TyperException) -> int:
    """Tell a wrong command line and where its help is; a bare command has shown its help already."""
    if not error.format_message():
        return USAGE
    say_error(error.format_message().rstrip("."))
    context = getattr(error, "ctx", None)
    if context is not None:
        say_hint(f"`{context.command_path} --help` shows what it takes")
    return USAGE

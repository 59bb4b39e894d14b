"""Ask before something is signed or written."""

from __future__ import annotations

import sys

import typer

from aegis_stream.errors import ConfigurationError


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, unless told not to; the question goes to standard error, apart from the results.

    Raises ConfigurationError where there is no terminal, typer.Abort for anything but a yes.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody can be asked: standard input is no terminal", remedy="--yes does not ask")
    sys.stderr.write(f"{question} [y/N]: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise typer.Abort

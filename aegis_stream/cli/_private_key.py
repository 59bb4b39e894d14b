"""A custodian's private key: from a file of mode 0600, standard input or a prompt, never from an argument."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from aegis_stream.cli._streams import STANDARD
from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import read_secret_file
from aegis_stream.wire import b64decode

_LONGEST_LINE = 4_096

KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="File of the private key (mode 0600); - is standard input.  Without it the key is asked for.",
        show_default=False,
    ),
]


def read_private_key(source: Path | None) -> bytes:
    """Return the bytes of a private key.

    Raises ConfigurationError (nothing given and no terminal to ask, or nothing read), KeyRefusedError (other users can
    reach the file, or the line is no base64).
    """
    if source is None:
        return b64decode(_asked())
    if source != STANDARD:
        return b64decode(read_secret_file(source, name="--key"))
    line = sys.stdin.buffer.readline(_LONGEST_LINE).strip()
    text = line.decode("ascii", "replace")  # what is no ASCII is no base64 either
    if not text:
        raise ConfigurationError("no private key on standard input", remedy="pipe in the one line of the key file")
    return b64decode(text)


def _asked() -> str:
    """Ask on the terminal, without showing what is typed."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "no private key given, and no terminal to ask on",
            remedy="name its file with --key FILE, or pipe it in with --key -",
        )
    text = getpass.getpass("Private key (base64, not shown): ").strip()
    if not text:
        raise ConfigurationError("no private key given", remedy="type or paste the one line of the key file")
    return text

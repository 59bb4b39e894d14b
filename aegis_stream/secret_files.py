"""Files that hold one secret: read them only where nobody else can, write them so that nobody else can."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError, KeyReason, KeyRefusedError

if TYPE_CHECKING:
    from pathlib import Path

MAX_SECRET_BYTES = 65_536
_EXISTS = "exists already; secrets are never overwritten"
_NEW_FILE = "name a new file in a folder of your own"
_REMEDY = (
    "run `chmod 600` on it; in Kubernetes set `defaultMode: 0400` on the secret volume (0440 with an fsGroup), "
    "in Compose `mode: 0400` and the container's uid on the secret"
)


def read_public_file(path: Path, *, name: str) -> str:
    """Return the text of a file that holds no secret, of any mode, without the white space around it.

    Raises ConfigurationError where it cannot be read, is no UTF-8 or larger than 64 KiB.
    """
    problem = ""
    text = ""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SECRET_BYTES + 1)
        text = raw.decode().strip()
        if len(raw) > MAX_SECRET_BYTES:
            problem = "is larger than 64 KiB"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "is not text"
    if problem:
        raise ConfigurationError(f"{name}: the file {path} {problem}", remedy="name a file with the text that is meant")
    return text


def read_secret_file(path: Path, *, name: str) -> str:
    """Return the text of a secret's file without the white space around it.

    `name` says whose secret it is in errors.  The file must be a regular one (a link to one will do, as container
    platforms mount secrets) of at most 64 KiB.  Nobody but its owner may reach it; one exception is made for
    mounted secrets: a file of another user (root) may be readable by the group through which this process reads it.

    Raises ConfigurationError where the file cannot be read, KeyRefusedError (permissions) where others can read it.
    """
    problem = ""
    text = ""
    try:
        with path.open("rb") as file:  # the checks look at what was opened, not at a name that may change
            _check_mode(os.fstat(file.fileno()), path, name=name)
            raw = file.read(MAX_SECRET_BYTES + 1)
        text = raw.decode("ascii").strip()
        if len(raw) > MAX_SECRET_BYTES:
            problem = "is larger than 64 KiB"
        elif not text:
            problem = "is empty"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "is not ASCII text"
    if problem:  # outside the handler: a decoding error would carry the file's bytes along
        raise ConfigurationError(f"{name}: the file {path} {problem}", remedy="name a file with one line of text")
    return text


def check_secret_file(path: Path, *, name: str) -> None:
    """Check a secret's file as `read_secret_file` does, for a library that reads it by itself (a TLS key)."""
    problem = ""
    try:
        _check_mode(path.stat(), path, name=name)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if problem:
        raise ConfigurationError(f"{name}: the file {path} {problem}", remedy="name a file that this process can read")


def check_new_file(path: Path) -> None:
    """Look whether `write_secret_file` can write there, before what is to be written is made; raises as it does."""
    problem = ""
    if os.path.lexists(path):
        problem = _EXISTS
    elif not os.access(path.parent, os.W_OK | os.X_OK):
        problem = f"cannot be written (no folder {path.parent} that this user may write to)"
    if problem:
        raise ConfigurationError(f"the file {path} {problem}", remedy=_NEW_FILE)


def write_secret_file(path: Path, text: str) -> None:
    """Write a new file of mode 0600 with `text` and a line break, synced to disk.

    Raises ConfigurationError where the file exists or its folder cannot be written: a secret is never overwritten.
    """
    problem = ""
    raw = f"{text}\n".encode()  # before there is a file: half a one would be in the way of the next
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        problem = _EXISTS
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise ConfigurationError(f"the file {path} {problem}", remedy=_NEW_FILE)


def _check_mode(status: os.stat_result, path: Path, *, name: str) -> None:
    """Refuse what is no regular file and what others than its owner can reach."""
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"{name}: {path} is no regular file", remedy="name a file with one line of text")
    if os.name != "posix":
        return
    mounted = status.st_uid != os.geteuid()
    allowed = stat.S_IRWXU | (stat.S_IRGRP if mounted else 0)
    if stat.S_IMODE(status.st_mode) & ~allowed:
        message = f"{name}: the file {path} (mode {stat.S_IMODE(status.st_mode):04o}) can be reached by other users"
        raise KeyRefusedError(KeyReason.PERMISSIONS, message, remedy=_REMEDY)

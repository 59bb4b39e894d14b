"""A keypair's two files: the private key in one of mode 0600, the public key beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import write_secret_file
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE, _PUBLIC = ".key", ".pub"


def write_pair(out: Path, *, private: bytes, public: bytes) -> Path:
    """Write the private key to `out` and the public one to NAME.pub; returns the latter.  Both are new, or neither is.

    Raises ConfigurationError: one exists or cannot be written, or `out` has the name of a public key, by which somebody
    would hand it over.
    """
    if out.suffix == _PUBLIC:
        raise ConfigurationError(f"{out} is the name of a public key's file", remedy=f"name it {out.stem}{_PRIVATE}")
    public_file = out.with_suffix(_PUBLIC) if out.suffix == _PRIVATE else out.with_name(out.name + _PUBLIC)
    _write_new(public_file, b64encode(public))
    try:
        write_secret_file(out, b64encode(private))
    except ConfigurationError:
        public_file.unlink()
        raise
    return public_file


def _write_new(path: Path, text: str) -> None:
    problem = ""
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(text + "\n")
    except OSError as error:
        problem = error.strerror or "no reason given"
    if problem:
        raise ConfigurationError(f"the file {path} cannot be written ({problem})", remedy="choose another --out")

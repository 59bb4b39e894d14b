"""Public keys that a command names, from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.custodian.bip322 import PUBLIC_KEY_BYTES, is_public_key
from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.secret_files import read_public_file
from aegis_stream.wire import b64decode

if TYPE_CHECKING:
    from pathlib import Path


def custodian_public_key(path: Path, *, name: str) -> bytes:
    """Return a custodian's public key (x-only, 32 bytes).

    `name` says whose it is in errors.  Raises ConfigurationError, KeyRefusedError: no base64, LENGTH, INCONSISTENT.
    """
    raw = b64decode(read_public_file(path, name=name))
    if len(raw) != PUBLIC_KEY_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"{name}: a custodian's public key has {PUBLIC_KEY_BYTES} bytes, this one has {len(raw)}",
            remedy="`aegis custodian new` writes it beside the private key, as NAME.pub",
        )
    if not is_public_key(raw):
        raise KeyRefusedError(
            KeyReason.INCONSISTENT, f"{name}: the key is no point of the curve", remedy="is it a private key's file?"
        )
    return raw


def public_key(path: Path, *, name: str) -> bytes:
    """Return the bytes of any public key; whoever takes it checks it.  Raises ConfigurationError, KeyRefusedError."""
    return b64decode(read_public_file(path, name=name))

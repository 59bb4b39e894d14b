"""Names of keys: DEK versions, KEK ids and the ids of enrichers' keys."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import Self

from aegis_stream.errors import KeyReason, KeyRefusedError

_DEK_VERSION = re.compile(r"dek-v([1-9][0-9]{0,8})-([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)


def is_dek_version(text: str) -> bool:
    """Tell whether the text has the form of a DEK version and its date is in the calendar."""
    match = _DEK_VERSION.fullmatch(text)
    if match is None:
        return False
    try:
        dt.date(int(match[2]), int(match[3]), int(match[4]))
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class DekVersion:
    """`dek-v<n>-<YYYYMMDD>`: n strictly increases from one rotation to the next, the date is the UTC day of creation.

    Order is by n alone, equality is of the whole text, so it defines no `<`: compare `n`.
    """

    n: int
    date: dt.date
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a version.  Raises KeyRefusedError(DEK_VERSION)."""
        match = _DEK_VERSION.fullmatch(text)
        if match is None or not is_dek_version(text):
            raise KeyRefusedError(
                KeyReason.DEK_VERSION,
                "a DEK version is dek-v<n>-<YYYYMMDD>, n from 1 to 999999999, the date in the calendar",
                remedy="for example dek-v1-20260101",
            )
        return cls(int(match[1]), dt.date(int(match[2]), int(match[3]), int(match[4])), text)

    @classmethod
    def of(cls, n: int, date: dt.date) -> Self:
        """Make a version.  Raises KeyRefusedError(DEK_VERSION): n or the date does not fit."""
        return cls.parse(f"dek-v{n}-{date.isoformat().replace('-', '')}")

    def __str__(self) -> str:
        """Return the text."""
        return self.text


def kek_id(public_key: bytes) -> str:
    """Return `kek-` and the first 16 hex digits of SHA-256 of the KEK's public key."""
    return "kek-" + hashlib.sha256(public_key).hexdigest()[:16]


def signer_id(ed25519_public_key: bytes) -> str:
    """Return the first 16 hex digits of SHA-256 of an enricher's Ed25519 public key."""
    return hashlib.sha256(ed25519_public_key).hexdigest()[:16]

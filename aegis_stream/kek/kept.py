"""Providers whose secrets have left the environment: the process reuses what it loaded."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aegis_stream.kek.held import HeldKEK

_LOCK = Lock()
_KEPT: dict[str, HeldKEK] = {}


def keep(prefix: str, provider: HeldKEK) -> None:
    """Remember the provider that was loaded from the variables of a prefix before they were cleared."""
    with _LOCK:
        _KEPT[prefix] = provider


def kept(prefix: str) -> HeldKEK | None:
    """Return the provider of a prefix, if its secrets were cleared."""
    with _LOCK:
        return _KEPT.get(prefix)


def forget(prefix: str) -> None:
    """Drop it."""
    with _LOCK:
        _KEPT.pop(prefix, None)

"""Providers whose secret has left the environment: the process reuses what it loaded."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock, RLock
from typing import TYPE_CHECKING

from aegis_stream.kek.choice import configured, needed
from aegis_stream.kek.variables import MASTER_KEK_PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aegis_stream.kek.held import HeldKEK
    from aegis_stream.kek.variables import Variables

_LOCK = Lock()
_LOADING = RLock()
_KEPT: dict[tuple[str, str], HeldKEK] = {}


@contextmanager
def one_at_a_time(variables: Variables) -> Iterator[None]:
    """Let one thread load at a time where a secret leaves the environment: the others must find the provider or it."""
    if not (variables.of_process and variables.clear_after_loading):
        yield
        return
    with _LOADING:
        yield


def clear_and_keep(variables: Variables, suffix: str, provider: HeldKEK) -> None:
    """Take the secret out of the environment, if that was asked for, and remember the provider made of it.

    Only that copy goes: the memory from which the process was started, which the system shows in /proc, stays.
    """
    if not variables.clear_after_loading:
        return
    variables.clear(suffix)
    if variables.of_process:
        with _LOCK:
            _KEPT[variables.prefix, suffix] = provider


def kept(variables: Variables) -> HeldKEK | None:
    """Return the provider that the variables still describe, but for the one secret that was cleared."""
    if not (variables.of_process and variables.clear_after_loading):
        return None
    with _LOCK:
        candidates = [(suffix, provider) for (prefix, suffix), provider in _KEPT.items() if prefix == variables.prefix]
    chosen = configured(variables)[:1]  # what is set decides: a cleared key must not stand before another provider
    for suffix, provider in candidates:
        if (
            chosen in {(), (provider.name,)}
            and variables.missing(needed(provider.name)) == (variables.name(suffix),)
            and variables.key_bytes(MASTER_KEK_PUBLIC).reveal() == provider.get_public_key()
        ):
            return provider
    return None

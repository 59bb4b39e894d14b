"""The strict JSON reader of the keyring, with the refusals of commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aegis_stream.errors import CommandReason, CommandRefusedError, ManifestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def strictly(read: Callable[[], T], reason: CommandReason = CommandReason.PAYLOAD) -> T:
    """Return what `read` makes of a record; its ManifestRefusedError becomes CommandRefusedError with this reason."""
    try:
        return read()
    except ManifestRefusedError as error:
        problem = str(error)
    raise CommandRefusedError(reason, problem)

"""What a command would change if it were carried out now: shown before anybody signs it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aegis_stream.control.differences import differences
from aegis_stream.control.draft import Draft, Terms
from aegis_stream.control.effects import apply

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from aegis_stream.control.command import Command
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.dsse import Envelope
    from aegis_stream.keyring.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Preview:
    """One line for each thing that would change, what the result would say besides, and the times it would name."""

    changes: tuple[str, ...]
    notes: tuple[str, ...]
    binds_by: dt.datetime | None = None
    brokers_clear_at: dt.datetime | None = None
    keks: tuple[str, ...] | None = None


def preview(  # noqa: PLR0913 - what an effect depends on, all by keyword
    command: Command,
    *,
    manifest: Manifest,
    records: Mapping[str, DekRecord],
    now: dt.datetime,
    rewraps: Mapping[str, Envelope] | None = None,
    must_wait: bool = False,
    terms: Terms | None = None,
) -> Preview:
    """Carry a command out on paper, whoever has signed it.

    records: the DEK records that the manifest names, by version.  rewraps: the rewrap records of the command, by
    version.  must_wait: its replacement would only begin its wait.  A DEK that the agent would make is named, and its
    keys are thrown away.

    Raises CommandRefusedError: the agent would refuse it.
    """
    draft = Draft.of(manifest, records, now=now, terms=terms or Terms())
    apply(command, draft, rewraps=rewraps, must_wait=must_wait)
    return Preview(
        changes=differences(manifest, draft.manifest),
        notes=tuple(draft.notes),
        binds_by=draft.binds_by,
        brokers_clear_at=draft.brokers_clear_at,
        keks=draft.keks,
    )

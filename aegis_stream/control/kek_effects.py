"""What commands about KEKs do to a manifest and to the DEK records; each refuses what must not be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aegis_stream.control.command import payload_sha256
from aegis_stream.control.draft import refuse
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState, KekEntry, KekState
from aegis_stream.keyring.manifest import MAX_KEKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.control.arguments import RetireKek, RotateKek
    from aegis_stream.control.draft import Draft
    from aegis_stream.keyring.dsse import Envelope
    from aegis_stream.wire import DekVersion


def rotate_kek(draft: Draft, arguments: RotateKek, *, command_id: str, rewraps: Mapping[str, Envelope]) -> None:
    """Put a KEK in force, the former one in grace, and merge the wraps whose hashes the command names.

    The same KEK once more is fine where it brings wraps: so a rewrap that was interrupted, or that a rotation overtook,
    is completed.
    """
    manifest = draft.manifest
    new = KekEntry(arguments.public_key, KekState.CURRENT)
    if any(entry.id == new.id and entry.public_key != new.public_key for entry in manifest.keks):
        refuse(CommandReason.KEY_IN_USE, f"another KEK has the id {new.id}")
    if new in manifest.keks and not arguments.rewraps:
        refuse(CommandReason.UNCHANGED, f"{new.id} is the current KEK already")
    others = tuple(replace(entry, state=KekState.GRACE) for entry in manifest.keks if entry.id != new.id)
    if len(others) >= MAX_KEKS:
        refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_KEKS} KEKs", remedy="retire one first")
    draft.manifest = replace(manifest, keks=(*others, new))
    merged = []
    for version, sha256 in arguments.rewraps:
        rewrap = _signed_for(version, sha256, rewraps.get(version.text))
        if (rewrap.id, rewrap.version, rewrap.kek) != (command_id, version, new.id):
            refuse(CommandReason.REWRAP, f"the rewrap of {version} is of another command, DEK or KEK")
        merged.append(_merged(draft, rewrap))
    draft.put_records(merged)
    uncovered = _hanging_on_others(draft, new.id)
    if uncovered:
        draft.notes.append(f"not wrapped under {new.id} yet: {len(uncovered)} DEK(s); run `aegis kek rewrap` again")


def retire_kek(draft: Draft, arguments: RetireKek) -> None:
    """Drop a KEK in grace and every wrap under it; refused while a DEK that is not destroyed hangs on it alone."""
    manifest = draft.manifest
    entry = next((entry for entry in manifest.keks if entry.id == arguments.kek), None)
    if entry is None:
        refuse(CommandReason.UNKNOWN_KEK, f"the manifest has no KEK {arguments.kek}")
    if entry.state is KekState.CURRENT:
        refuse(CommandReason.KEK_CURRENT, f"{entry.id} is the current KEK", remedy="rotate to another KEK first")
    others = tuple(kek for kek in manifest.keks if kek.id != entry.id)
    trimmed = []
    for dek in manifest.deks:
        if dek.state is DekState.DESTROYED:
            continue
        record = draft.record(dek.version, otherwise=CommandReason.KEK_IN_USE)
        kept = {kek.id: record.wraps[kek.id] for kek in others if kek.id in record.wraps}
        if not kept:
            refuse(
                CommandReason.KEK_IN_USE,
                f"{dek.version} is wrapped under {entry.id} alone",
                remedy="wrap it under the current KEK first: `aegis kek rewrap`",
            )
        if entry.id in record.wraps:
            trimmed.append(DekRecord(record.version, record.public_key, kept))
    draft.put_records(trimmed)
    draft.manifest = replace(draft.manifest, keks=others)
    draft.overwrites()


def _signed_for(version: DekVersion, sha256: str, envelope: Envelope | None) -> Rewrap:
    """Return the rewrap whose hash the command names; so nobody needs to be trusted for it."""
    if envelope is None or payload_sha256(envelope.payload) != sha256:
        refuse(
            CommandReason.REWRAP,
            f"the rewrap of {version} is not on the control topic, or not the one that was signed",
            remedy="run `aegis kek rewrap` again",
        )
    return Rewrap.from_payload(envelope.payload)


def _merged(draft: Draft, rewrap: Rewrap) -> DekRecord:
    """Return the record of a DEK with one wrap more."""
    if draft.dek(rewrap.version).state is DekState.DESTROYED:
        refuse(CommandReason.REWRAP, f"{rewrap.version} is destroyed")
    record = draft.record(rewrap.version, otherwise=CommandReason.REWRAP)
    return DekRecord(record.version, record.public_key, {**record.wraps, rewrap.kek: rewrap.wrapped})


def _hanging_on_others(draft: Draft, kek: str) -> list[str]:
    """Return the versions, not destroyed, that have no wrap under a KEK."""
    found = []
    for entry in draft.manifest.deks:
        record = draft.changed.get(entry.version.text) or draft.records.get(entry.version.text)
        if entry.state is not DekState.DESTROYED and (record is None or kek not in record.wraps):
            found.append(entry.version.text)
    return found

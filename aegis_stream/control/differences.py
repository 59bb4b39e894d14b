"""What changes from one manifest to another, a line each: shown before anybody signs, and by `--dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aegis_stream.custodian import custodian_key_id
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aegis_stream.keyring.entries import CustodianEntry, DekEntry
    from aegis_stream.keyring.manifest import Manifest

T = TypeVar("T")


def differences(before: Manifest, after: Manifest) -> tuple[str, ...]:
    """Return one line for each thing that changes; sequence, times and used command ids are not told."""
    lines = _compared("DEK", before.deks, after.deks, lambda entry: entry.version.text, lambda entry: entry.state.value)
    lines += _rewrapped(before, after)
    if before.minimum_version != after.minimum_version:
        lines.append(f"minimum version: {before.minimum_version} -> {after.minimum_version}")
    lines += [f"policy {policy.id}: new" for policy in after.policies if policy not in before.policies]
    lines += _compared("KEK", before.keks, after.keks, lambda entry: entry.id, lambda entry: entry.state.value)
    lines += _compared(
        "agent key", before.agents, after.agents, lambda entry: entry.id, lambda entry: entry.state.value
    )
    lines += _compared(
        "custodian", before.custodians, after.custodians, _custodian, lambda entry: _in_force(entry, after)
    )
    lines += _compared("enricher", before.enrichers, after.enrichers, lambda entry: entry.id, lambda e: e.state.value)
    if before.recovery_key != after.recovery_key and after.recovery_key is not None:
        lines.append(f"recovery key: {custodian_key_id(after.recovery_key)}")
    return tuple(lines)


def _compared(
    what: str, before: Iterable[T], after: Iterable[T], name: Callable[[T], str], state: Callable[[T], str]
) -> list[str]:
    """Tell what is new, gone, or in another state."""
    old, new = {name(entry): entry for entry in before}, {name(entry): entry for entry in after}
    lines = [f"{what} {key}: dropped" for key in old if key not in new]
    for key, entry in new.items():
        if key not in old:
            lines.append(f"{what} {key}: new, {state(entry)}")
        elif state(old[key]) != state(entry):
            lines.append(f"{what} {key}: {state(old[key])} -> {state(entry)}")
    return lines


def _rewrapped(before: Manifest, after: Manifest) -> list[str]:
    """Tell which DEKs' records change: other wraps, or none."""
    hashes = {entry.version.text: entry.record_sha256 for entry in before.deks}

    def changed(entry: DekEntry) -> bool:
        return hashes.get(entry.version.text, entry.record_sha256) != entry.record_sha256

    return [f"DEK {entry.version}: its record changes (wraps)" for entry in after.deks if changed(entry)]


def _custodian(entry: CustodianEntry) -> str:
    return f"{entry.role.value} {custodian_key_id(entry.public_key)}"


def _in_force(entry: CustodianEntry, manifest: Manifest) -> str:
    waits = entry.revoked_at is None and entry.since > manifest.issued_at
    return f"{entry.state.value} from {time_text(entry.since)}" if waits else entry.state.value

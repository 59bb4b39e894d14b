"""What commands about DEKs, policies and enrichers do to a manifest; each refuses what must not be done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aegis_stream.control.draft import refuse
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState, KeyState, SignerEntry
from aegis_stream.keyring.manifest import MAX_ENRICHERS, MAX_POLICIES

if TYPE_CHECKING:
    from aegis_stream.control.arguments import (
        DestroyDek,
        EnrolEnricher,
        RetireEnricher,
        RevokeDek,
        RevokeEnricher,
        SetMinimumVersion,
        SetPolicy,
    )
    from aegis_stream.control.draft import Draft


def set_policy(draft: Draft, arguments: SetPolicy) -> None:
    """Rotate to a DEK with this policy.  An id means one policy for ever; going back to an earlier one is fine."""
    policy, manifest = arguments.policy, draft.manifest
    if policy == manifest.policy_of(manifest.active):
        refuse(CommandReason.UNCHANGED, "this is the policy in force")
    if any(known.id == policy.id and known != policy for known in manifest.policies):
        refuse(CommandReason.POLICY, "another policy has this id", remedy="give the new policy an id of its own")
    if policy not in manifest.policies and len(manifest.policies) >= MAX_POLICIES:
        refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_POLICIES} policies")
    draft.notes.extend(policy.warnings())
    draft.rotate(policy)


def revoke_dek(draft: Draft, arguments: RevokeDek) -> None:
    """Make a DEK revoked; never the active one."""
    entry = draft.dek(arguments.version)
    if entry.state is DekState.ACTIVE:
        refuse(CommandReason.ACTIVE, "the active DEK cannot be revoked", remedy="rotate first: `aegis rotate`")
    if entry.state is DekState.REVOKED:
        refuse(CommandReason.UNCHANGED, f"{entry.version} is revoked already")
    if entry.state is DekState.DESTROYED:
        refuse(CommandReason.BACKWARDS, f"{entry.version} is destroyed")
    draft.move([entry.version], DekState.REVOKED)
    draft.revokes()


def set_minimum_version(draft: Draft, arguments: SetMinimumVersion) -> None:
    """Raise the minimum version; never above the active one, never down."""
    entry, minimum = draft.dek(arguments.version), draft.manifest.minimum_version
    if entry.version == minimum:
        refuse(CommandReason.UNCHANGED, f"{minimum} is the minimum already")
    if entry.version.n < minimum.n:
        refuse(CommandReason.BACKWARDS, f"the minimum is {minimum} and never goes down")
    draft.manifest = replace(draft.manifest, minimum_version=entry.version)
    draft.revokes()


def destroy_dek(draft: Draft, arguments: DestroyDek) -> None:
    """Drop every wrap of a DEK from the current state; never of the active one."""
    entry = draft.dek(arguments.version)
    if entry.state is DekState.ACTIVE:
        refuse(CommandReason.ACTIVE, "the active DEK cannot be destroyed", remedy="rotate first: `aegis rotate`")
    if entry.state is DekState.DESTROYED:
        refuse(CommandReason.UNCHANGED, f"{entry.version} is destroyed already")
    record = draft.record(entry.version, otherwise=CommandReason.UNKNOWN_DEK)
    draft.put_records([DekRecord(record.version, record.public_key, {})])
    draft.move([entry.version], DekState.DESTROYED)
    draft.revokes()
    draft.keks = tuple(sorted(record.wraps))
    draft.copies_attested = arguments.no_copies_attested
    draft.notes.append("its wraps are dropped from the current state")
    draft.overwrites()
    if arguments.records_left is not None:
        draft.notes.append(f"forced: {arguments.records_left:,} records under it can never be read again")
    if not arguments.no_copies_attested:
        draft.notes.append("complete once each KEK named here is destroyed, or it is attested that no copy is left")


def enrol_enricher(draft: Draft, arguments: EnrolEnricher) -> None:
    """Let a key sign sessions from the active DEK on; two keys of one id are refused."""
    manifest = draft.manifest
    if any(entry.id == arguments.id for entry in manifest.enrichers):
        refuse(CommandReason.KEY_IN_USE, f"an enricher's key of the id {arguments.id} is or was enrolled")
    if len(manifest.enrichers) >= MAX_ENRICHERS:
        refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_ENRICHERS:,} enrichers' keys")
    entry = SignerEntry(arguments.public_key, KeyState.CURRENT, manifest.active.version.n)
    draft.manifest = replace(manifest, enrichers=(*manifest.enrichers, entry))


def retire_enricher(draft: Draft, arguments: RetireEnricher) -> None:
    """Let a key sign for no DEK after the active one."""
    entry = _enricher(draft, arguments.signer)
    if entry.state is KeyState.RETIRED:
        refuse(CommandReason.UNCHANGED, f"{entry.id} is retired already")
    if entry.state is KeyState.REVOKED:
        refuse(CommandReason.BACKWARDS, f"{entry.id} is revoked")
    last_n = draft.manifest.active.version.n
    _put_enricher(draft, replace(entry, state=KeyState.RETIRED, last_n=last_n))


def revoke_enricher(draft: Draft, arguments: RevokeEnricher) -> None:
    """Refuse a key's sessions altogether."""
    entry = _enricher(draft, arguments.signer)
    if entry.state is KeyState.REVOKED:
        refuse(CommandReason.UNCHANGED, f"{entry.id} is revoked already")
    _put_enricher(draft, replace(entry, state=KeyState.REVOKED, revoked_at=draft.now))
    draft.revokes()


def _enricher(draft: Draft, signer: str) -> SignerEntry:
    for entry in draft.manifest.enrichers:
        if entry.id == signer:
            return entry
    return refuse(CommandReason.UNKNOWN_ENRICHER, f"the manifest has no enricher's key {signer}")


def _put_enricher(draft: Draft, changed: SignerEntry) -> None:
    enrichers = tuple(changed if entry.id == changed.id else entry for entry in draft.manifest.enrichers)
    draft.manifest = replace(draft.manifest, enrichers=enrichers)

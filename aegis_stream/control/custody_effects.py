"""What commands about custodians, the recovery key, the agent's key and emergencies do to a manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aegis_stream.control.cases import role_keys
from aegis_stream.control.draft import refuse
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import AgentEntry, CustodianEntry, DekState, KeyState
from aegis_stream.keyring.manifest import MAX_AGENTS, MAX_CUSTODIANS

if TYPE_CHECKING:
    from aegis_stream.control.custody_arguments import (
        EmergencyRotate,
        ReplaceAgentKey,
        Replacement,
        SetRecoveryKey,
    )
    from aegis_stream.control.draft import Draft
    from aegis_stream.keyring.entries import Role


def propose(draft: Draft, new: Replacement) -> None:
    """Enter a new key that takes over when the wait is over; until then its role signs nothing new."""
    _check_new_key(draft, new.public_key)
    if role_keys(draft.manifest)[new.role].waiting is not None:
        refuse(CommandReason.SUSPENDED, f"another key waits already to replace that of {new.role.value}")
    _add(draft, CustodianEntry(new.role, new.public_key, KeyState.CURRENT, draft.now + draft.terms.veto))


def replace_custodian(draft: Draft, new: Replacement) -> None:
    """Put a new key in force and revoke every other key of its role; the new one may have waited for this."""
    waiting = role_keys(draft.manifest)[new.role].waiting
    if waiting is not None and waiting.public_key == new.public_key:
        take_over(draft, waiting)
        return
    _check_new_key(draft, new.public_key)
    _revoke_keys(draft, new.role, but=new.public_key)
    _add(draft, CustodianEntry(new.role, new.public_key, KeyState.CURRENT, draft.now))


def take_over(draft: Draft, waiting: CustodianEntry) -> None:
    """Put a key that waited in force, at the latest from now on, and revoke the one it replaces."""
    _revoke_keys(draft, waiting.role, but=waiting.public_key)
    entry = replace(waiting, since=min(waiting.since, draft.now))
    custodians = tuple(entry if old.public_key == entry.public_key else old for old in draft.manifest.custodians)
    draft.manifest = replace(draft.manifest, custodians=custodians)


def withdraw(draft: Draft, new: Replacement) -> None:
    """Revoke a key that waited: its replacement was vetoed."""
    custodians = tuple(
        replace(entry, state=KeyState.REVOKED, revoked_at=draft.now) if entry.public_key == new.public_key else entry
        for entry in draft.manifest.custodians
    )
    draft.manifest = replace(draft.manifest, custodians=custodians)


def replace_agent_key(draft: Draft, arguments: ReplaceAgentKey) -> None:
    """Make a new agent key current and retire the others; this manifest is the last that the old key signs."""
    entry = AgentEntry(arguments.public_key, KeyState.CURRENT)
    agents = draft.manifest.agents
    if any(old.id == entry.id for old in agents):
        refuse(CommandReason.KEY_IN_USE, f"the agent's key {entry.id} is or was in the manifest")
    if len(agents) >= MAX_AGENTS:
        refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_AGENTS} agent keys")
    retired = tuple(replace(old, state=KeyState.RETIRED) if old.state is KeyState.CURRENT else old for old in agents)
    draft.manifest = replace(draft.manifest, agents=(*retired, entry))


def set_recovery_key(draft: Draft, arguments: SetRecoveryKey) -> None:
    """Name the recovery key; it is no custodian's, so that nobody holds two of the keys."""
    if arguments.public_key == draft.manifest.recovery_key:
        refuse(CommandReason.UNCHANGED, "this is the recovery key already")
    if any(entry.public_key == arguments.public_key for entry in draft.manifest.custodians):
        refuse(CommandReason.KEY_IN_USE, "a custodian's key cannot be the recovery key")
    draft.manifest = replace(draft.manifest, recovery_key=arguments.public_key)


def emergency_rotate(draft: Draft, arguments: EmergencyRotate, *, must_wait: bool, waited: bool) -> None:
    """Do all of it at once; where the replacement must wait, rotate now and revoke when the wait is over.

    A rotation needs one signature only, so nothing is gained by letting the new DEK wait as well.
    """
    if arguments.rotate_dek and not waited:
        draft.rotate()
    for new in arguments.replacements:
        (propose if must_wait else replace_custodian)(draft, new)
    revocable = [draft.dek(version) for version in arguments.revoke]
    if any(entry.state is DekState.ACTIVE for entry in revocable):
        refuse(CommandReason.ACTIVE, "the active DEK cannot be revoked", remedy="ask for its rotation as well")
    if must_wait:
        return
    draft.move([entry.version for entry in revocable if entry.state is DekState.DECRYPT_ONLY], DekState.REVOKED)
    if arguments.revoke:
        draft.revokes()


def _check_new_key(draft: Draft, public_key: bytes) -> None:
    """Refuse a key that is or was a custodian's, of either role, or is the recovery key."""
    used = {entry.public_key for entry in draft.manifest.custodians} | {draft.manifest.recovery_key}
    if public_key in used:
        refuse(
            CommandReason.KEY_IN_USE,
            "the new key is or was a custodian's, or is the recovery key",
            remedy="make a new one: `aegis custodian new`",
        )
    if len(draft.manifest.custodians) >= MAX_CUSTODIANS:
        refuse(CommandReason.LIMIT, f"the manifest holds no more than {MAX_CUSTODIANS} custodians' keys")


def _revoke_keys(draft: Draft, role: Role, *, but: bytes) -> None:
    custodians = tuple(
        replace(entry, state=KeyState.REVOKED, revoked_at=draft.now)
        if entry.role is role and entry.state is KeyState.CURRENT and entry.public_key != but
        else entry
        for entry in draft.manifest.custodians
    )
    draft.manifest = replace(draft.manifest, custodians=custodians)


def _add(draft: Draft, entry: CustodianEntry) -> None:
    draft.manifest = replace(draft.manifest, custodians=(*draft.manifest.custodians, entry))

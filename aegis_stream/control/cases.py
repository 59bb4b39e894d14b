"""All records about one command, and whose signatures among them are right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aegis_stream.control.command import Command, payload_sha256
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceCustodian
from aegis_stream.control.rejection import Rejection
from aegis_stream.control.signing import signers_of
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.entries import KeyState, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.control.custody_arguments import Replacement
    from aegis_stream.keyring.dsse import Envelope
    from aegis_stream.keyring.entries import CustodianEntry
    from aegis_stream.keyring.manifest import Manifest

OWN_SLOT = {Role.RISK_LEAD: Slot.RISK_LEAD, Role.SECURITY_LEAD: Slot.SECURITY_LEAD}
NEW_SLOT = {Role.RISK_LEAD: Slot.NEW_RISK_LEAD, Role.SECURITY_LEAD: Slot.NEW_SECURITY_LEAD}


@dataclass(frozen=True, slots=True)
class Case:
    """The records about one command as they stand on the topic; nothing in it is verified."""

    id: str
    command: Envelope
    approvals: Mapping[Slot, Envelope] = field(default_factory=dict)
    rejections: Mapping[Role, Envelope] = field(default_factory=dict)
    rewraps: Mapping[str, Envelope] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """A role's keys in force: the one that signs, and the one that replaces it unless it is vetoed.

    Which is which follows from the manifest alone, whatever the clock says: the key that came first signs until a
    manifest says that it is revoked.  So a veto that was written in time counts even if the agent was away.
    """

    current: bytes | None = None
    waiting: CustodianEntry | None = None


@dataclass(frozen=True, slots=True)
class Signatures:
    """What the signatures of a case say.

    `slots`: who approves.  `rejected_by`: which roles refuse exactly this payload.  `ignored`: records that do not
    count, by the last part of their key, and why.
    """

    slots: frozenset[Slot]
    rejected_by: frozenset[Role]
    ignored: tuple[tuple[str, CommandReason], ...]

    @property
    def by_custodians(self) -> bool:
        """True where a current custodian has signed."""
        return any(slot in self.slots for slot in OWN_SLOT.values())


def role_keys(manifest: Manifest) -> dict[Role, RoleKeys]:
    """Return the keys in force of both roles."""
    found = {}
    for role in Role:
        entries = sorted(
            (entry for entry in manifest.custodians if entry.role is role and entry.state is KeyState.CURRENT),
            key=lambda entry: entry.since,
        )
        current = entries[0].public_key if entries else None
        found[role] = RoleKeys(current, entries[1] if len(entries) > 1 else None)
    return found


def replacements_of(command: Command) -> tuple[Replacement, ...]:
    """Return the custodians' keys that a command brings."""
    arguments = command.arguments
    return arguments.replacements if isinstance(arguments, (ReplaceCustodian, EmergencyRotate)) else ()


def is_waiting(command: Command, manifest: Manifest) -> bool:
    """Tell whether the manifest has accepted this command's replacement, which now waits for a veto."""
    roles = role_keys(manifest)
    waiting = [(replacement, roles[replacement.role].waiting) for replacement in replacements_of(command)]
    accepted = any(entry.id == command.id for entry in manifest.executed)
    return (
        accepted
        and bool(waiting)
        and all(entry is not None and entry.public_key == replacement.public_key for replacement, entry in waiting)
    )


def candidates(command: Command | None, manifest: Manifest) -> dict[Slot, bytes]:
    """Return whose signatures can count for a command: both custodians, the keys it brings, the recovery key."""
    found = {OWN_SLOT[role]: keys.current for role, keys in role_keys(manifest).items() if keys.current is not None}
    if command is not None:
        found |= {NEW_SLOT[new.role]: new.public_key for new in replacements_of(command)}
    recovery = manifest.recovery_key
    if recovery is not None and recovery not in {entry.public_key for entry in manifest.custodians}:
        found[Slot.RECOVERY] = recovery
    return found


def collect(case: Case, command: Command | None, manifest: Manifest) -> Signatures:
    """Verify every record of a case.  Where `command` is None, its payload could not be read."""
    keys = candidates(command, manifest)
    by_command = signers_of(case.command, keys.values())
    slots = {slot for slot, key in keys.items() if key in by_command}
    ignored: list[tuple[str, CommandReason]] = []
    for slot, approval in case.approvals.items():
        problem = _problem_of_approval(approval, slot, case, keys)
        if problem is None:
            slots.add(slot)
        else:
            ignored.append((slot.value, problem))
    suspended = _suspended(command, manifest)
    for role in suspended:
        if OWN_SLOT[role] in slots:
            slots.discard(OWN_SLOT[role])
            ignored.append((role.value, CommandReason.SUSPENDED))
    rejected_by = set()
    for role, rejection in case.rejections.items():
        problem = _problem_of_rejection(rejection, role, case, manifest)
        if problem is None and role in suspended:
            problem = CommandReason.SUSPENDED
        if problem is None:
            rejected_by.add(role)
        else:
            ignored.append((f"rejection/{role.value}", problem))
    return Signatures(frozenset(slots), frozenset(rejected_by), tuple(ignored))


def _problem_of_approval(
    approval: Envelope, slot: Slot, case: Case, keys: Mapping[Slot, bytes]
) -> CommandReason | None:
    if approval.payload != case.command.payload:
        return CommandReason.MISMATCH
    signers = signers_of(approval, keys.values())
    if not signers:
        return CommandReason.SIGNATURE
    return None if keys.get(slot) in signers else CommandReason.SAME_SIGNER


def _problem_of_rejection(envelope: Envelope, role: Role, case: Case, manifest: Manifest) -> CommandReason | None:
    key = role_keys(manifest)[role].current
    if key is None or not signers_of(envelope, [key]):
        return CommandReason.SIGNATURE
    try:
        rejection = Rejection.from_payload(envelope.payload)
    except CommandRefusedError as error:
        return error.command_reason
    expected = (case.id, manifest.deployment, role, payload_sha256(case.command.payload))
    found = (rejection.id, rejection.deployment, rejection.role, rejection.command_sha256)
    return None if found == expected else CommandReason.MISMATCH


def _suspended(command: Command | None, manifest: Manifest) -> list[Role]:
    """Return the roles whose key is being replaced, unless it is this very command that replaces it."""
    own = {(new.role, new.public_key) for new in replacements_of(command)} if command is not None else set()
    return [
        role
        for role, keys in role_keys(manifest).items()
        if keys.waiting is not None and (role, keys.waiting.public_key) not in own
    ]

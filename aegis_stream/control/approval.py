"""Has a command been approved?  One pure judgement of a case against a manifest at one moment.

Rules, in this order:
1. the manifest lists its id as carried out: settled;
2. no right signature of a current custodian, under the command or under its rejection: pending; nothing is answered and
   no id is used up;
3. malformed, under another id, of another deployment, issued in the future: refused;
4. a rejection of exactly this payload by a current custodian: rejected.  The veto of a key that is being replaced does
   not count once the recovery key has signed: that is what the recovery key is for;
5. its time is over: expired, unless it was accepted before and waits for a veto;
6. what its kind needs (`kinds.Signing`) decides between partial, approved and waiting.

A role whose key is being replaced signs nothing but the approval or the veto of that replacement.

A rejection is acted on as soon as it is read, also where the command has no signature yet that counts: whoever may
write to the topic could overwrite it later.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.control.cases import NEW_SLOT, OWN_SLOT, collect, is_waiting, replacements_of, role_keys
from aegis_stream.control.command import Command
from aegis_stream.control.kinds import Signing
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.entries import Role

if TYPE_CHECKING:
    from aegis_stream.control.cases import Case, Signatures
    from aegis_stream.keyring.manifest import Manifest

CLOCK_SKEW = dt.timedelta(minutes=5)


class ApprovalState(StrEnum):
    """Where a command stands."""

    PENDING = "pending"
    PARTIAL = "partial"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    REFUSED = "refused"
    EXPIRED = "expired"
    SETTLED = "settled"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where the command stands and why.

    `missing`: the slots whose signature it still needs.  `must_wait`: its approval only begins the wait for a veto.
    `reason` is there where the state is pending, rejected, refused or expired.
    """

    state: ApprovalState
    command: Command | None = None
    reason: CommandReason | None = None
    message: str = ""
    signatures: Signatures | None = None
    missing: tuple[Slot, ...] = ()
    must_wait: bool = False


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: CommandReason
    message: str


def judge(case: Case, *, manifest: Manifest, now: dt.datetime) -> Judgement:
    """Tell where a command stands; every record of the case is verified here."""
    command, refusal = _read(case, manifest, now)
    waits = command is not None and is_waiting(command, manifest)
    if not waits and any(entry.id == case.id for entry in manifest.executed):
        return Judgement(ApprovalState.SETTLED, command)
    signatures = collect(case, command, manifest)
    if not signatures.by_custodians and not signatures.rejected_by:
        return _unsigned(command, signatures)
    if command is None or refusal is not None:
        reason, message = (refusal.reason, refusal.message) if refusal else (CommandReason.PAYLOAD, "")
        return Judgement(ApprovalState.REFUSED, command, reason, message, signatures)
    if _vetoes(command, signatures):
        return Judgement(
            ApprovalState.REJECTED, command, CommandReason.REJECTED, "a custodian has rejected it", signatures
        )
    if now >= command.expires_at and not waits:
        return Judgement(ApprovalState.EXPIRED, command, CommandReason.EXPIRED, "its time is over", signatures)
    return _weigh(command, signatures, manifest, now)


def _read(case: Case, manifest: Manifest, now: dt.datetime) -> tuple[Command | None, _Refusal | None]:
    """Read the payload, and say what is wrong with it in this deployment and at this time."""
    try:
        command = Command.from_payload(case.command.payload)
    except CommandRefusedError as error:
        return None, _Refusal(error.command_reason, str(error))
    if command.id != case.id:
        return command, _Refusal(CommandReason.MISMATCH, "the id in the payload is not that of the record's key")
    if command.deployment != manifest.deployment:
        return command, _Refusal(CommandReason.DEPLOYMENT, "it is for another deployment")
    ahead = command.issued_at - now
    if ahead > CLOCK_SKEW:
        minutes = int(ahead.total_seconds() // 60)
        text = f"it was issued {minutes} minutes in the future: compare the clocks of the operator and of the agent"
        return command, _Refusal(CommandReason.NOT_YET_VALID, text)
    return command, None


def _unsigned(command: Command | None, signatures: Signatures) -> Judgement:
    suspended = any(reason is CommandReason.SUSPENDED for _, reason in signatures.ignored)
    return Judgement(
        ApprovalState.PENDING,
        command,
        CommandReason.SUSPENDED if suspended else CommandReason.SIGNATURE,
        "it is signed by a role whose key is being replaced" if suspended else "no current custodian has signed it",
        signatures,
        missing=tuple(OWN_SLOT.values()),
    )


def _vetoes(command: Command, signatures: Signatures) -> bool:
    """Tell whether a rejection counts."""
    overruled = set()
    if Slot.RECOVERY in signatures.slots:
        overruled = {replacement.role for replacement in replacements_of(command)}
    return bool(signatures.rejected_by - overruled)


def _weigh(command: Command, signatures: Signatures, manifest: Manifest, now: dt.datetime) -> Judgement:
    """Apply the rule of the command's kind to the signatures."""
    signing = command.arguments.signing
    if signing is Signing.REPLACEMENT:
        return _weigh_replacement(command, signatures, manifest, now)
    needed = () if signing is Signing.ONE else tuple(OWN_SLOT.values())
    missing = tuple(slot for slot in needed if slot not in signatures.slots)
    state = ApprovalState.PARTIAL if missing else ApprovalState.APPROVED
    return Judgement(state, command, signatures=signatures, missing=missing)


def _weigh_replacement(command: Command, signatures: Signatures, manifest: Manifest, now: dt.datetime) -> Judgement:
    """Need the custodians who stay and every new key; then the old keys, or the recovery key, or time without a veto.

    Where both roles are replaced nobody stays, so at least one old key must sign, and the recovery key for the other;
    there is no waiting.
    """
    replaced = [replacement.role for replacement in replacements_of(command)]
    needed = [OWN_SLOT[role] for role in Role if role not in replaced] + [NEW_SLOT[role] for role in replaced]
    missing = [slot for slot in needed if slot not in signatures.slots]
    old_missing = [OWN_SLOT[role] for role in replaced if OWN_SLOT[role] not in signatures.slots]
    confirmed = not old_missing or Slot.RECOVERY in signatures.slots
    if len(replaced) > 1 and not confirmed:
        missing += old_missing
    if missing:
        return Judgement(ApprovalState.PARTIAL, command, signatures=signatures, missing=tuple(missing))
    if confirmed:
        return Judgement(ApprovalState.APPROVED, command, signatures=signatures)
    if not is_waiting(command, manifest):
        return Judgement(ApprovalState.APPROVED, command, signatures=signatures, must_wait=True)
    entry = role_keys(manifest)[replaced[0]].waiting
    over = entry is not None and now >= entry.since
    return Judgement(ApprovalState.APPROVED if over else ApprovalState.WAITING, command, signatures=signatures)

"""What the rotation agent does about a case: the next manifest, the records that change with it, and the result.

Pure: the agent's shell signs and writes what comes out, all of it in one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aegis_stream.control import custody_effects
from aegis_stream.control.approval import ApprovalState, judge
from aegis_stream.control.cases import is_waiting, replacements_of, role_keys
from aegis_stream.control.command import MAX_LIFE
from aegis_stream.control.draft import Draft, Terms
from aegis_stream.control.effects import apply
from aegis_stream.control.result import Outcome, Result, one_line
from aegis_stream.control.topic_keys import TopicKey
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.entries import ExecutedCommand
from aegis_stream.keyring.manifest import MAX_EXECUTED

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from aegis_stream.control.approval import Judgement
    from aegis_stream.control.cases import Case
    from aegis_stream.control.command import Command
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest

_UNDECIDED = {ApprovalState.PENDING, ApprovalState.PARTIAL, ApprovalState.WAITING, ApprovalState.SETTLED}


@dataclass(frozen=True, slots=True)
class Decision:
    """One transaction.

    `wanted`: what the next manifest says (its sequence and times are given when it is made), None where nothing changes
    in it.  `records`: DEK records to write before it.  `tombstones`: keys of records that have done their work.
    `result`: the answer; its sequence is that of `wanted` once it is made.
    """

    wanted: Manifest | None
    records: tuple[DekRecord, ...]
    tombstones: tuple[str, ...]
    result: Result

    def stamped(self, sequence: int) -> Result:
        """Return the result with the sequence of the manifest that the decision led to."""
        return replace(self.result, sequence=sequence)


def decide(
    case: Case,
    *,
    manifest: Manifest,
    records: Mapping[str, DekRecord],
    now: dt.datetime,
    terms: Terms | None = None,
) -> Decision | None:
    """Judge a case and carry it out; None where there is nothing to do yet, or nothing any more.

    `records`: the DEK records that the manifest names, by version.  Every answer but `expired` uses up the command's
    id; an expired one can never count again, so the caller answers it once (`CommandBook.result` tells).
    """
    judgement = judge(case, manifest=manifest, now=now)
    if judgement.state in _UNDECIDED:
        return None
    draft = Draft.of(manifest, records, now=now, terms=terms or Terms())
    if judgement.state is ApprovalState.EXPIRED:
        return _close(case, draft, judgement, Outcome.EXPIRED)
    if judgement.state is not ApprovalState.APPROVED or judgement.command is None:
        return _refused(case, draft, judgement, judgement.reason or CommandReason.PAYLOAD, judgement.message)
    try:
        apply(judgement.command, draft, rewraps=case.rewraps, must_wait=judgement.must_wait)
    except CommandRefusedError as error:
        refusal = error
    else:
        return _close(case, draft, judgement, Outcome.WAITING if judgement.must_wait else Outcome.EXECUTED)
    clean = Draft.of(manifest, records, now=now, terms=draft.terms)
    return _refused(case, clean, judgement, refusal.command_reason, str(refusal))


def settle(manifest: Manifest, *, now: dt.datetime) -> Manifest | None:
    """Let replacements take effect whose wait is over and whose command is no longer known; None where there is none.

    To be asked after every case was decided: what can be carried out by its command is, with a result.
    """
    draft = Draft.of(manifest, {}, now=now, terms=Terms())
    for keys in role_keys(manifest).values():
        if keys.waiting is not None and keys.waiting.since <= now:
            custody_effects.take_over(draft, keys.waiting)
    return None if draft.manifest is manifest else draft.manifest


def _refused(case: Case, draft: Draft, judgement: Judgement, reason: CommandReason, message: str) -> Decision:
    command = judgement.command
    if command is not None and is_waiting(command, draft.before):
        for new in replacements_of(command):
            custody_effects.withdraw(draft, new)
    draft.notes = [message]
    return _close(case, draft, judgement, Outcome.REFUSED, reason)


def _close(
    case: Case, draft: Draft, judgement: Judgement, outcome: Outcome, reason: CommandReason | None = None
) -> Decision:
    """Use up the id, and write the result."""
    command = judgement.command
    effective_at = draft.now + draft.terms.veto if outcome is Outcome.WAITING else None
    wanted: Manifest | None = None
    if outcome is not Outcome.EXPIRED:
        wanted = _with_executed(draft, case.id, _until(command, draft, effective_at))
    result = Result(
        id=case.id,
        deployment=draft.before.deployment,
        outcome=outcome,
        sequence=draft.before.sequence,
        decided_at=draft.now,
        message=one_line("; ".join(draft.notes) or judgement.message),
        kind=None if command is None else command.kind,
        reason=reason,
        active_version=draft.rotated_to,
        effective_at=effective_at,
        binds_by=draft.binds_by,
        brokers_clear_at=draft.brokers_clear_at,
        keks=draft.keks,
        copies_attested=draft.copies_attested,
    )
    tombstones = tuple(TopicKey(Kind.REWRAP, case.id, version).text for version in sorted(case.rewraps))
    changed = tuple(sorted(draft.changed.values(), key=lambda record: record.version.n))
    return Decision(wanted, changed, tombstones, result)


def _until(command: Command | None, draft: Draft, effective_at: dt.datetime | None) -> dt.datetime:
    """Tell how long the id is remembered: until the command expires, while it waits, or a day if it is unreadable."""
    if effective_at is not None:
        return effective_at + MAX_LIFE
    if command is None or command.expires_at <= draft.now:
        return draft.now + MAX_LIFE
    return command.expires_at


def _with_executed(draft: Draft, command_id: str, until: dt.datetime) -> Manifest:
    """Add an id; the one soonest forgotten goes where the list is full, after those whose time is over."""
    kept = [entry for entry in draft.manifest.executed if entry.expires_at > draft.now and entry.id != command_id]
    kept = sorted(kept, key=lambda entry: entry.expires_at)[-(MAX_EXECUTED - 1) :]
    return replace(draft.manifest, executed=(*kept, ExecutedCommand(command_id, until)))

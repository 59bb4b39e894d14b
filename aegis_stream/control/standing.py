"""Where a command stands, and what it would change; also as JSON, for `--json` and for the dashboard.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aegis_stream.control.approval import ApprovalState
from aegis_stream.control.preview import preview
from aegis_stream.control.result import Outcome
from aegis_stream.errors import AegisError, CommandReason
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from aegis_stream.control.approval import Judgement
    from aegis_stream.control.cases import Case
    from aegis_stream.control.draft import Terms
    from aegis_stream.control.history import Signed
    from aegis_stream.control.result import Result
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest

PARTIAL = ApprovalState.PARTIAL.value.upper()
_OPEN = {ApprovalState.PENDING, ApprovalState.PARTIAL, ApprovalState.WAITING, ApprovalState.APPROVED}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a command stands: what the records on the topic come to, and the agent's answer once there is one.

    signed: who has signed it, by whichever key, whether that counts now or not.
    """

    case: Case
    judgement: Judgement
    result: Result | None
    signed: tuple[Signed, ...]


def state_text(standing: Standing) -> str:
    """Return PENDING, PARTIAL, APPROVED, WAITING, REJECTED, REFUSED or EXPIRED, or `executed` once it is."""
    result, state = standing.result, standing.judgement.state
    if result is None:
        return "executed" if state is ApprovalState.SETTLED else state.value.upper()
    if result.outcome is Outcome.EXECUTED:
        return "executed"
    if result.outcome is Outcome.WAITING and state is not ApprovalState.SETTLED:
        return state.value.upper()
    if result.reason is CommandReason.REJECTED:
        return ApprovalState.REJECTED.value.upper()
    return result.outcome.value.upper()


def shape_of(standing: Standing) -> dict[str, Any]:
    """Return everything about a command as one JSON object; public keys in its arguments are left in."""
    judgement, command, signatures = standing.judgement, standing.judgement.command, standing.judgement.signatures
    shape: dict[str, Any] = {
        "id": standing.case.id,
        "state": state_text(standing),
        "kind": None,
        "reason": None if judgement.reason is None else judgement.reason.value,
        "message": judgement.message,
        "signed_by": [each.slot for each in standing.signed],
        "signer_keys": [each.key_id for each in standing.signed],
        "rejected_by": [] if signatures is None else sorted(signatures.rejected_by),
        "ignored": [] if signatures is None else [_ignored(*each) for each in signatures.ignored],
        "missing": list(judgement.missing),
        "command": None,
        "result": None if standing.result is None else result_shape(standing.result),
    }
    if command is not None:
        shape["kind"] = command.kind.value
        shape["command"] = {
            "arguments": command.arguments.to_json(),
            "reason": command.reason,
            "issued_at": time_text(command.issued_at),
            "expires_at": time_text(command.expires_at),
        }
    return shape


def result_shape(result: Result) -> dict[str, Any]:
    """Return the agent's answer as JSON; what does not apply is left out."""
    shape: dict[str, Any] = {
        "outcome": result.outcome.value,
        "sequence": result.sequence,
        "decided_at": time_text(result.decided_at),
        "message": result.message,
    }
    if result.reason is not None:
        shape["reason"] = result.reason.value
    for name in ("effective_at", "binds_by", "brokers_clear_at"):
        when = getattr(result, name)
        if when is not None:
            shape[name] = time_text(when)
    if result.active_version is not None:
        shape["active_version"] = result.active_version.text
    if result.keks is not None:
        shape["keks"] = list(result.keks)
    if result.copies_attested is not None:
        shape["copies_attested"] = result.copies_attested
    return shape


def is_open_state(state: ApprovalState) -> bool:
    """Tell whether a command in this state is still to be decided."""
    return state in _OPEN


def is_open(standing: Standing) -> bool:
    """Tell whether a command can be read and is still to be decided."""
    return standing.judgement.command is not None and standing.judgement.state in _OPEN


def changes_of(
    standing: Standing, *, manifest: Manifest, records: Mapping[str, DekRecord], terms: Terms, now: dt.datetime
) -> dict[str, Any]:
    """Return what an open command would change if it were carried out now, or why it would be refused.

    manifest, records: what is in force, and the DEK records that it names, by version.
    """
    command = standing.judgement.command
    if command is None or not is_open(standing):
        return {"changes": []}
    try:
        shown = preview(
            command, manifest=manifest, records=records, rewraps=standing.case.rewraps, now=now, terms=terms
        )
    except AegisError as error:  # nobody may have signed it: whatever stands in it only says that it cannot be done
        return {"changes": [], "would_be_refused": str(error)}
    return {"changes": list(shown.changes)}


def _ignored(record: str, reason: CommandReason) -> dict[str, str]:
    return {"record": record, "reason": reason.value}

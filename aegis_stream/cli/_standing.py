"""Where a command stands, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.control.approval import ApprovalState
from aegis_stream.control.result import Outcome
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from aegis_stream.client.command_client import Standing
    from aegis_stream.control import Result

PARTIAL = ApprovalState.PARTIAL.value.upper()


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


def result_lines(result: Result) -> list[str]:
    """Return what an operator must know of an answer, a line each."""
    told = {
        "active DEK": result.active_version,
        "takes effect, unless vetoed": _time(result, "effective_at"),
        "binds every follower by": _time(result, "binds_by"),
        "brokers hold the old record until": _time(result, "brokers_clear_at"),
        "KEKs that wrapped it": None if result.keks is None else ", ".join(result.keks),
        "why": None if result.reason is None else result.reason.value,
        "note": result.message or None,
    }
    return [f"{name}: {value}" for name, value in told.items() if value is not None]


def _time(result: Result, name: str) -> str | None:
    when = getattr(result, name)
    return None if when is None else time_text(when)


def _ignored(record: str, reason: CommandReason) -> dict[str, str]:
    return {"record": record, "reason": reason.value}

"""What each kind of command does to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from aegis_stream.control import custody_effects, dek_effects, kek_effects
from aegis_stream.control.arguments import (
    DestroyDek,
    EnrolEnricher,
    RetireEnricher,
    RetireKek,
    RevokeDek,
    RevokeEnricher,
    RotateDek,
    RotateKek,
    SetMinimumVersion,
    SetPolicy,
)
from aegis_stream.control.cases import is_waiting
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceAgentKey, ReplaceCustodian, SetRecoveryKey
from aegis_stream.control.draft import refuse
from aegis_stream.errors import CommandReason, ManifestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.control.command import Command
    from aegis_stream.control.draft import Draft
    from aegis_stream.keyring.dsse import Envelope


def apply(
    command: Command, draft: Draft, *, rewraps: Mapping[str, Envelope] | None = None, must_wait: bool = False
) -> None:
    """Change a draft as an approved command asks; nobody's approval is judged here.

    `rewraps`: the rewrap records of the command by version.  `must_wait`: a replacement is only entered for its wait.
    Raises CommandRefusedError; the draft is then of no use.
    """
    problem = ""
    try:
        _apply(command, draft, rewraps or {}, must_wait=must_wait)
    except ManifestRefusedError as error:  # a rule of manifests that no effect foresaw
        problem = str(error)
    if problem:
        refuse(CommandReason.PAYLOAD, problem)


def _apply(command: Command, draft: Draft, rewraps: Mapping[str, Envelope], *, must_wait: bool) -> None:  # noqa: C901, PLR0912 - one line a kind
    arguments = command.arguments
    match arguments:
        case RotateDek():
            draft.rotate()
        case SetPolicy():
            dek_effects.set_policy(draft, arguments)
        case RevokeDek():
            dek_effects.revoke_dek(draft, arguments)
        case SetMinimumVersion():
            dek_effects.set_minimum_version(draft, arguments)
        case DestroyDek():
            dek_effects.destroy_dek(draft, arguments)
        case EnrolEnricher():
            dek_effects.enrol_enricher(draft, arguments)
        case RetireEnricher():
            dek_effects.retire_enricher(draft, arguments)
        case RevokeEnricher():
            dek_effects.revoke_enricher(draft, arguments)
        case RotateKek():
            kek_effects.rotate_kek(draft, arguments, command_id=command.id, rewraps=rewraps)
        case RetireKek():
            kek_effects.retire_kek(draft, arguments)
        case ReplaceCustodian() if must_wait:
            custody_effects.propose(draft, arguments.replacement)
        case ReplaceCustodian():
            custody_effects.replace_custodian(draft, arguments.replacement)
        case ReplaceAgentKey():
            custody_effects.replace_agent_key(draft, arguments)
        case SetRecoveryKey():
            custody_effects.set_recovery_key(draft, arguments)
        case EmergencyRotate():
            waited = is_waiting(command, draft.before)
            custody_effects.emergency_rotate(draft, arguments, must_wait=must_wait, waited=waited)
        case _:
            assert_never(arguments)

"""Answer another's command: approve it, or reject it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NoReturn

from aegis_stream.cli._ask import confirm
from aegis_stream.cli._follow import Asked, follow, print_preview
from aegis_stream.cli._issue import NEEDS, run
from aegis_stream.cli._private_key import read_private_key
from aegis_stream.cli._records_left import must_not_remain, records_left
from aegis_stream.control.approval import ApprovalState, judge
from aegis_stream.control.arguments import DestroyDek
from aegis_stream.control.cases import OWN_SLOT, Case, candidates, replacements_of, role_keys
from aegis_stream.control.preview import Preview, preview
from aegis_stream.control.signing import CustodianSigner, approve, reject
from aegis_stream.control.standing import is_open, is_open_state
from aegis_stream.control.topic_keys import TopicKey
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.settings.terms import terms_of

if TYPE_CHECKING:
    from aegis_stream.cli._how import How
    from aegis_stream.client.command_client import CommandClient
    from aegis_stream.control import Command, Slot
    from aegis_stream.control.standing import Standing
    from aegis_stream.keyring.dsse import Envelope
    from aegis_stream.keyring.entries import Role
    from aegis_stream.settings import Settings


def approve_command(how: How, command_id: str) -> int:
    """Sign the very bytes of a command under the slot of the key that is given."""

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            standing = client.standing(command_id)
            asked = _asked(client, settings, standing)
            print_preview(asked, needs=_needs(standing, asked), how=how)
            if how.dry_run:
                return 0
            await _look_again(settings, client, asked.command)
            confirm(_question("Sign", asked), yes=how.yes)
            signer = CustodianSigner(read_private_key(how.key))
            slot = _slot(signer, asked.command, client, standing)
            approval = approve(standing.case.command, signer)
            after = judge(_with(standing.case, slot, approval), manifest=client.manifest, now=dt.datetime.now(dt.UTC))
            counts = after.signatures is not None and slot in after.signatures.slots
            if not counts or not is_open_state(after.state):
                _refuse(after.reason or CommandReason.SIGNATURE, after.message or "the signature would not count")
            await client.publish([(TopicKey(Kind.APPROVAL, command_id, slot.value).text, approval.to_bytes())])
            missing = after.missing if after.state is not ApprovalState.APPROVED else ()
            return await follow(client, asked, how, missing=missing)

    return run(ask)


def reject_command(how: How, command_id: str) -> int:
    """Sign a refusal of a command as the custodian whose key is given."""

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            standing = client.standing(command_id)
            command = _open_command(standing)
            asked = Asked(command, Preview((), ("its refusal is final",)), standing.result)
            print_preview(asked, needs=_needs(standing, asked), how=how)
            if how.dry_run:
                return 0
            confirm(_question("Reject", asked), yes=how.yes)
            signer = CustodianSigner(read_private_key(how.key))
            role = _role(signer, client)
            rejection = reject(
                standing.case.command,
                signer,
                role=role,
                reason=how.reason or "rejected, without a reason given",
                now=dt.datetime.now(dt.UTC),
            )
            await client.publish([(TopicKey(Kind.REJECTION, command_id, role.value).text, rejection.to_bytes())])
            # nothing is answered where only the rejection is signed by a custodian
            missing = standing.judgement.missing if standing.judgement.state is ApprovalState.PENDING else ()
            return await follow(client, asked, how, missing=missing, refusal_is_success=True)

    return run(ask)


async def _look_again(settings: Settings, client: CommandClient, command: Command) -> None:
    """Count anew what a destruction would give up: the first signer's word is not enough.

    Raises CommandRefusedError(RECORDS_REMAIN): something is left, and the command does not say so.
    """
    arguments = command.arguments
    if isinstance(arguments, DestroyDek):
        left = await records_left(settings, arguments.version, client.manifest)
        must_not_remain(arguments.version, left, forced=arguments.records_left is not None)


def _asked(client: CommandClient, settings: Settings, standing: Standing) -> Asked:
    """Return an open command and what it would change.  Raises CommandRefusedError: it is decided."""
    command = _open_command(standing)
    shown = preview(
        command,
        manifest=client.manifest,
        records=client.records,
        rewraps=standing.case.rewraps,
        now=dt.datetime.now(dt.UTC),
        terms=terms_of(settings),
    )
    return Asked(command, shown, standing.result)


def _open_command(standing: Standing) -> Command:
    judgement = standing.judgement
    if judgement.command is None or not is_open(standing):
        what = judgement.message or f"it is {judgement.state.value} already"
        _refuse(judgement.reason or CommandReason.REPLAY, f"{standing.case.id}: {what}")
    return judgement.command


def _needs(standing: Standing, asked: Asked) -> str:
    signed = standing.judgement.signatures
    by = ", ".join(sorted(signed.slots)) if signed is not None and signed.slots else "nobody in force"
    command = asked.command
    return (
        f"issued {time_text(command.issued_at)}, reason: {command.reason}; signed by {by}; "
        f"{NEEDS[command.arguments.signing]}"
    )


def _question(verb: str, asked: Asked) -> str:
    return f"{verb} {asked.command.kind.value} {asked.command.id}?"


def _slot(signer: CustodianSigner, command: Command, client: CommandClient, standing: Standing) -> Slot:
    """Return the place of a signature.  Raises CommandRefusedError: it would not count, or is there already."""
    known = candidates(command, client.manifest)
    if not replacements_of(command):
        known = {slot: known[slot] for slot in OWN_SLOT.values() if slot in known}
    slot = next((slot for slot, public in known.items() if public == signer.public), None)
    if slot is None:
        return _refuse(
            CommandReason.SIGNATURE,
            f"the key {signer.key_id} is none whose signature counts for this command",
            remedy="a custodian's in force; for a replacement also the new one that it names, or the recovery key",
        )
    signatures = standing.judgement.signatures
    if signatures is not None and slot in signatures.slots:
        _refuse(CommandReason.REPLAY, f"{slot.value} has signed it already")
    return slot


def _role(signer: CustodianSigner, client: CommandClient) -> Role:
    for role, keys in role_keys(client.manifest).items():
        if keys.current == signer.public:
            return role
    return _refuse(CommandReason.SIGNATURE, f"the key {signer.key_id} is no custodian's in force")


def _with(case: Case, slot: Slot, approval: Envelope) -> Case:
    return Case(case.id, case.command, {**case.approvals, slot: approval}, case.rejections, case.rewraps)


def _refuse(reason: CommandReason, message: str, *, remedy: str = "`aegis control log` shows them all") -> NoReturn:
    raise CommandRefusedError(reason, message, remedy=remedy)

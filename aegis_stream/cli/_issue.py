"""Give a command: show what it would change, ask, sign, publish it and follow its result.

Exit codes of every command that does: 0 executed, or published and waiting for a signature or a veto; 1 refused, by
these checks or by the agent, or expired; 2 configuration; 3 Kafka is away or the agent has not answered in time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

from aegis_stream.cli._ask import confirm
from aegis_stream.cli._follow import Asked, follow, print_preview
from aegis_stream.cli._private_key import read_private_key
from aegis_stream.control.approval import ApprovalState, judge
from aegis_stream.control.cases import Case
from aegis_stream.control.command import Command
from aegis_stream.control.kinds import Signing
from aegis_stream.control.preview import preview
from aegis_stream.control.signing import CustodianSigner, sign_command
from aegis_stream.control.topic_keys import TopicKey
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.settings import Settings, load_settings
from aegis_stream.settings.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aegis_stream.cli._how import How
    from aegis_stream.client.command_client import CommandClient
    from aegis_stream.control.command import Arguments

NEEDS = {
    Signing.ONE: "one custodian signs",
    Signing.BOTH: "both custodians sign",
    Signing.REPLACEMENT: "the custodian who stays and each new key sign; without the old key or the recovery key it "
    "waits for a veto",
}


def issue(how: How, make: Callable[[CommandClient], Arguments]) -> int:
    """Give the command whose arguments `make` returns; it may look at the keyring first."""

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            command = new_command(settings, make(client), how.reason)
            return await give(client, settings, command, how)

    return run(ask)


def run(ask: Callable[[Settings], Awaitable[int]]) -> int:
    """Run one conversation with the control topic."""

    async def conversation() -> int:
        return await ask(load_settings())

    return asyncio.run(conversation())


def new_command(settings: Settings, arguments: Arguments, reason: str | None) -> Command:
    """Make a command of this moment.  Raises CommandRefusedError(PAYLOAD): the reason is not one line."""
    return Command.new(
        arguments,
        deployment=settings.deployment,
        reason=reason or f"{arguments.kind.value}, asked for with aegis",
        now=dt.datetime.now(dt.UTC),
    )


async def give(
    client: CommandClient,
    settings: Settings,
    command: Command,
    how: How,
    *,
    rewraps: Sequence[tuple[str, bytes]] = (),
) -> int:
    """Show a command, and unless it is a dry run sign, publish and follow it.

    rewraps: DEK versions and payloads of the rewrap records that are published before the command.
    """
    unsigned = {version: Envelope(Kind.REWRAP, payload, ()) for version, payload in rewraps}
    shown = preview(
        command,
        manifest=client.manifest,
        records=client.records,
        rewraps=unsigned,
        now=dt.datetime.now(dt.UTC),
        terms=terms_of(settings),
    )
    asked = Asked(command, shown)
    print_preview(asked, needs=NEEDS[command.arguments.signing], how=how)
    if how.dry_run:
        return 0
    confirm("Sign and publish it?", yes=how.yes)
    signer = CustodianSigner(read_private_key(how.key))
    envelope = sign_command(command, signer)
    standing = judge(Case(command.id, envelope), manifest=client.manifest, now=dt.datetime.now(dt.UTC))
    if standing.state not in {ApprovalState.APPROVED, ApprovalState.PARTIAL}:
        raise CommandRefusedError(
            standing.reason or CommandReason.SIGNATURE,
            f"nothing was published: {standing.message or standing.state.value} (key {signer.key_id})",
            remedy="`aegis keys list` shows the custodians' keys in force",
        )
    records = [
        (TopicKey(Kind.REWRAP, command.id, version).text, Envelope.sign(Kind.REWRAP, payload, [signer]).to_bytes())
        for version, payload in rewraps
    ]
    await client.publish([*records, (TopicKey(Kind.COMMAND, command.id).text, envelope.to_bytes())])
    return await follow(client, asked, how, missing=standing.missing)

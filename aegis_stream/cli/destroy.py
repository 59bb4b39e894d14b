"""`aegis destroy`: crypto-shredding, as far as it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import give, new_command, run
from aegis_stream.cli._records_left import must_not_remain, records_left
from aegis_stream.control.arguments import DestroyDek
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from aegis_stream.settings import Settings


@with_how
def destroy(
    how: How,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="DEK to destroy, never the active one.")],
    *,
    attest_no_copies: Annotated[
        bool,
        typer.Option(
            "--attest-no-copies",
            help="The signers attest that no copy of its record is left: tiered storage, backups, mirrors.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Destroy it although records under it remain; both signers sign how many.")
    ] = False,
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="TOPIC", help="Look for such records here as well; may be repeated."),
    ] = None,
) -> int:
    """Drop every wrapped copy of a DEK's private key from the current state, for good.  Both custodians sign.

    Refused while events under it, refused records of a re-encryption or open dead letters are within their topics'
    retention, unless --force is given; whoever approves looks again.  `aegis history audit` shows what there is.

    The old record stays in the brokers' log until compaction; the result says until when, and which KEKs have wrapped
    it.  `aegis keys prove-destroyed VERSION` looks for what is left there.

    Exit codes: 0 executed or waiting for the other signature, 1 refused or expired, 2 configuration, 3 Kafka is away or
    the agent has not answered.

    Example: `aegis destroy dek-v1-20260101 --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    wanted = DekVersion.parse(version)

    async def ask(settings: Settings) -> int:
        from aegis_stream.client.command_client import CommandClient  # noqa: PLC0415 - aiokafka is slow to import

        async with CommandClient(settings) as client:
            left = await records_left(settings, wanted, client.manifest, topics=topic or ())
            given_up = must_not_remain(wanted, left, forced=force)
            arguments = DestroyDek(wanted, no_copies_attested=attest_no_copies, records_left=given_up)
            return await give(client, settings, new_command(settings, arguments, how.reason), how)

    return run(ask)

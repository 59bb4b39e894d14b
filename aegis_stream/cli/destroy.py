"""`aegis destroy`: crypto-shredding, as far as it goes."""

from __future__ import annotations

from typing import Annotated

import typer

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.control.arguments import DestroyDek
from aegis_stream.wire import DekVersion


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
) -> int:
    """Drop every wrapped copy of a DEK's private key from the current state, for good.  Both custodians sign.

    The old record stays in the brokers' log until compaction; the result says until when, and which KEKs have wrapped
    it.  `aegis keys prove-destroyed VERSION` looks for what is left there.

    Exit codes: 0 executed or waiting for the other signature, 1 refused or expired, 2 configuration, 3 Kafka is away or
    the agent has not answered.

    Example: `aegis destroy dek-v1-20260101 --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    arguments = DestroyDek(DekVersion.parse(version), no_copies_attested=attest_no_copies)
    return issue(how, lambda _client: arguments)

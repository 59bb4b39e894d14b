"""`aegis custodian approve|replace|recovery`: commands about custodians' own keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis_stream.cli import control
from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.cli._public_keys import custodian_public_key
from aegis_stream.control.custody_arguments import ReplaceCustodian, Replacement, SetRecoveryKey
from aegis_stream.keyring.entries import Role

RoleArgument = Annotated[Role, typer.Argument(metavar="ROLE", help="risk-lead or security-lead.")]
NewKeyArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The role's new public key.")]
RecoveryArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The recovery key, public.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `aegis custodian`."""
    app.command("approve")(control.approve)
    app.command("replace")(replace)
    app.command("recovery")(recovery)


@with_how
def replace(how: How, role: RoleArgument, file: NewKeyArgument) -> int:
    """Replace a custodian's key; the old one is revoked with the time.

    The other custodian and the new key sign.  With the old key, or the recovery key, it takes effect at once; without
    them after 72 hours, in which the old key may veto it.  Each signs with `aegis control approve ID`.

    Exit codes: 0 executed, or waiting for signatures or a veto; 1 refused or expired; 2 configuration; 3 Kafka is away
    or the agent has not answered.

    Example: `aegis custodian replace risk-lead risk-lead-2.pub --key security-lead.key`
    """
    arguments = ReplaceCustodian(Replacement(role, custodian_public_key(file, name="FILE")))
    return issue(how, lambda _client: arguments)


@with_how
def recovery(how: How, file: RecoveryArgument) -> int:
    """Name the key that ends the wait when a custodian's key is lost or stolen.  Both custodians sign.

    Exit codes: as `aegis revoke`.

    Example: `aegis custodian recovery recovery.pub --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    arguments = SetRecoveryKey(custodian_public_key(file, name="FILE"))
    return issue(how, lambda _client: arguments)

"""`aegis emergency`: the answer to a compromise, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli._exit import say_hint
from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.cli._public_keys import custodian_public_key
from aegis_stream.control.cases import role_keys
from aegis_stream.control.custody_arguments import EmergencyRotate, Replacement
from aegis_stream.custodian import custodian_key_id
from aegis_stream.errors import ConfigurationError
from aegis_stream.keyring.entries import DekState, Role
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from aegis_stream.client.command_client import CommandClient

RiskLeadOption = Annotated[
    Path | None, typer.Option("--new-risk-lead", metavar="FILE", help="New public key of the Risk Lead.")
]
SecurityLeadOption = Annotated[
    Path | None, typer.Option("--new-security-lead", metavar="FILE", help="New public key of the Security Lead.")
]
RotateOption = Annotated[bool, typer.Option("--rotate-dek", help="Make a new active DEK as well.")]
RevokeOption = Annotated[
    list[str] | None, typer.Option("--revoke", metavar="VERSION", help="Revoke this DEK as well; may be repeated.")
]
RevokeAllOption = Annotated[
    bool, typer.Option("--revoke-all", help="Revoke every DEK that readers open now; needs --rotate-dek.")
]


@with_how
def emergency(  # noqa: PLR0913 - options of a command
    how: How,
    *,
    new_risk_lead: RiskLeadOption = None,
    new_security_lead: SecurityLeadOption = None,
    rotate_dek: RotateOption = False,
    revoke: RevokeOption = None,
    revoke_all: RevokeAllOption = False,
) -> int:
    """Replace and revoke custodians' keys, rotate the DEK and revoke old ones, all in one command.

    Whoever stays and every new key sign; the old keys, or the recovery key, end the wait of 72 hours (`aegis control
    approve ID` with each of these keys).  Afterwards `aegis audit overrides --key ID` looks at what the old key has
    signed and lists the requests that must be signed again.

    Exit codes: 0 executed, or waiting for signatures or a veto; 1 refused or expired; 2 configuration; 3 Kafka is away
    or the agent has not answered.

    Example: `aegis emergency --new-risk-lead risk-lead-2.pub --rotate-dek --key security-lead.key`
    """
    replacements = tuple(
        Replacement(role, custodian_public_key(path, name=f"--new-{role.value}"))
        for role, path in ((Role.RISK_LEAD, new_risk_lead), (Role.SECURITY_LEAD, new_security_lead))
        if path is not None
    )
    named = tuple(DekVersion.parse(version) for version in revoke or ())
    if revoke_all and (named or not rotate_dek):
        raise ConfigurationError("--revoke-all goes with --rotate-dek and without --revoke", remedy="name one of them")
    if not (replacements or rotate_dek or named):
        raise ConfigurationError(
            "nothing is asked for", remedy="--new-risk-lead FILE, --new-security-lead FILE, --rotate-dek, --revoke"
        )

    def make(client: CommandClient) -> EmergencyRotate:
        _tell_old_keys(client, replacements)
        return EmergencyRotate(replacements, rotate_dek, _open_deks(client) if revoke_all else named)

    return issue(how, make)


def _tell_old_keys(client: CommandClient, replacements: tuple[Replacement, ...]) -> None:
    """Name the keys that go, for the audit that must follow."""
    keys = role_keys(client.manifest)
    for new in replacements:
        current = keys[new.role].current
        if current is not None:
            say_hint(f"then: aegis audit overrides --key {custodian_key_id(current)}  ({new.role.value}'s old key)")


def _open_deks(client: CommandClient) -> tuple[DekVersion, ...]:
    states = {DekState.ACTIVE, DekState.DECRYPT_ONLY}
    return tuple(entry.version for entry in client.manifest.deks if entry.state in states)

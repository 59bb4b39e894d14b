"""`aegis enricher`: which enrichers' keys may sign sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from aegis_stream.cli._how import How, JsonOption, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.cli._pair_files import write_pair
from aegis_stream.cli._public_keys import public_key
from aegis_stream.control.arguments import SIGNER_ID, EnrolEnricher, RetireEnricher, RevokeEnricher
from aegis_stream.errors import ConfigurationError
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import check_ed25519_public
from aegis_stream.wire import b64encode

app = typer.Typer(no_args_is_help=True, help="Enrol, retire and revoke enrichers' session-signing keys.")

SignerArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id, 16 hex digits: `aegis keys list` shows it.")
]

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The enricher's public key (Ed25519, one line of base64).")
]
OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="New file NAME.key for the private key; the public one is NAME.pub."),
]


@app.command("new")
def new(*, out: OutOption, json: JsonOption = False) -> None:
    """Make a session-signing keypair: the private key in a file of mode 0600, the public key beside it.

    Exit codes: 0 made, 2 a file exists or cannot be written.

    Example: `aegis enricher new --out session-signing-west.key`
    """
    signer = SessionSigner.generate()
    public_file = write_pair(out, private=signer.export_seed(), public=signer.public)
    typer.echo(f"aegis: wrote {out} (private, AEGIS_SESSION_SIGNING_KEY_FILE) and {public_file} (public)", err=True)
    if json:
        typer.echo(orjson.dumps({"id": signer.key_id, "public_key": b64encode(signer.public)}))
    else:
        typer.echo(signer.key_id)


@app.command("enrol")
@with_how
def enrol(how: How, file: FileArgument) -> int:
    """Let a new enricher sign sessions from the active DEK on.  Both custodians sign.

    `aegis enricher new` makes the keypair on the enricher's machine.

    Exit codes: as `aegis revoke`.

    Example: `aegis enricher enrol session-signing-west.pub --key risk-lead.key`, then `aegis control approve ID`
    """
    key = check_ed25519_public(public_key(file, name="FILE"))
    return issue(how, lambda _client: EnrolEnricher(key))


@app.command("retire")
@with_how
def retire(how: How, signer: SignerArgument) -> int:
    """Let a key sign for no DEK after the active one; what it signed stays readable.  One custodian signs.

    Exit codes: as `aegis rotate`.

    Example: `aegis enricher retire c73b6c43a78979f3 --key risk-lead.key`
    """
    arguments = RetireEnricher(_checked(signer))
    return issue(how, lambda _client: arguments)


@app.command("revoke")
@with_how
def revoke(how: How, signer: SignerArgument) -> int:
    """Have readers refuse everything that a key has signed, but for an audit that names it.  Both custodians sign.

    Exit codes: as `aegis revoke`.

    Example: `aegis enricher revoke c73b6c43a78979f3 --key risk-lead.key`, then `aegis control approve ID`
    """
    arguments = RevokeEnricher(_checked(signer))
    return issue(how, lambda _client: arguments)


def _checked(signer: str) -> str:
    if not SIGNER_ID.fullmatch(signer):
        raise ConfigurationError("an enricher's key has an id of 16 hex digits", remedy="`aegis keys list` shows them")
    return signer

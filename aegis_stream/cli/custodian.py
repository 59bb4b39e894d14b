"""`aegis custodian`: make and show custodians' keys, and sign with them.

A private key stays with its custodian: it is written to one file of mode 0600 and read from there, from standard input
or from a prompt.  It is never an argument, which other users of the machine and the shell's history would see.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated

import orjson
import typer

from aegis_stream.cli import _custody
from aegis_stream.cli._pair_files import write_pair
from aegis_stream.cli._private_key import KeyOption, read_private_key
from aegis_stream.cli._streams import STANDARD, reading
from aegis_stream.custodian import (
    BIP322Provider,
    OverrideRefusedError,
    OverrideRequest,
    custodian_key_id,
    encode_simple,
)
from aegis_stream.errors import ConfigurationError, KeyReason, KeyRefusedError, OverrideReason
from aegis_stream.wire import b64encode

app = typer.Typer(no_args_is_help=True, help="Make and show custodians' keys, and sign with them.")
_custody.register(app)

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MAX_EVENT_BYTES = 1_048_576

OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="New file NAME.key for the private key; the public one is NAME.pub."),
]
OverrideOption = Annotated[
    Path | None,
    typer.Option(
        "--override", metavar="FILE", help="Sign this override event (JSON, in the clear); - is standard input."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command("new")
def new(*, out: OutOption, json: JsonOption = False) -> None:
    """Make a custodian's keypair: the private key in a file of mode 0600, the public key beside it.

    Run it on the custodian's own machine.  Hand over the public key alone; nobody else ever needs the private one.

    Exit codes: 0 made, 2 a file exists or cannot be written.

    Example: `aegis custodian new --out risk-lead.key`
    """
    keys = BIP322Provider().generate_keypair()
    public_file = write_pair(out, private=keys.private, public=keys.public)
    typer.echo(f"aegis: wrote {out} (private, keep it) and {public_file} (public, hand it over)", err=True)
    _print(keys.public, json=json)


@app.command("show")
def show(*, key: KeyOption = None, json: JsonOption = False) -> None:
    """Print the public key that belongs to a private key, and its id to standard error.

    Exit codes: 0 shown, 1 it is no private key or others can read its file, 2 it cannot be read.

    Example: `aegis custodian show --key risk-lead.key`
    """
    _print(BIP322Provider().public_key(read_private_key(key)), json=json)


@app.command("sign")
def sign(
    *,
    digest: Annotated[
        str | None,
        typer.Argument(metavar="[HASH]", help="SHA-256 of the message, 64 hex digits.", show_default=False),
    ] = None,
    override: OverrideOption = None,
    key: KeyOption = None,
    bip322: Annotated[
        bool, typer.Option("--bip322", help="Print the text that BIP-322 software takes, not 64 bytes in base64.")
    ] = False,
) -> None:
    """Sign a hash, or an override event, with a custodian's key; prints the signature.

    What is signed is the text `aegis-stream:` and the hash in hex.  Of an override event its hash and its times are
    shown; one whose window is over, or is longer than 24 hours, is refused.

    Exit codes: 0 signed, 1 the key or the override event is refused, 2 usage, or something cannot be read.

    Example: `aegis custodian sign --override event.json --key risk-lead.key`
    """
    if (digest is None) == (override is None):
        raise ConfigurationError("give either a HASH or --override FILE", remedy="`aegis custodian sign --help`")
    if override == STANDARD and key == STANDARD:
        raise ConfigurationError("the key and the event cannot both come from standard input", remedy="use --key FILE")
    message_hash = _hash_of(digest) if override is None else _hash_of_override(override)
    signature = BIP322Provider().sign(read_private_key(key), message_hash)
    typer.echo(encode_simple(signature) if bip322 else b64encode(signature))


def _print(public_key: bytes, *, json: bool) -> None:
    key_id, text = custodian_key_id(public_key), b64encode(public_key)
    if json:
        typer.echo(orjson.dumps({"key_id": key_id, "public_key": text}))
        return
    typer.echo(f"aegis: key id {key_id}", err=True)
    typer.echo(text)


def _hash_of(digest: str | None) -> bytes:
    if digest is None or not _HASH.fullmatch(digest):
        raise KeyRefusedError(
            KeyReason.ENCODING, "a hash is 64 hex digits, lower-case", remedy="for example from sha256sum"
        )
    return bytes.fromhex(digest)


def _hash_of_override(path: Path) -> bytes:
    """Return what is signed for an event, and show what can be shown of it."""
    event: object = None
    with reading(path) as file:
        raw = file.read(_MAX_EVENT_BYTES + 1)
    try:
        event = orjson.loads(raw) if len(raw) <= _MAX_EVENT_BYTES else None
    except orjson.JSONDecodeError:
        event = None
    if not isinstance(event, dict):
        raise ConfigurationError(f"{path} is not one JSON object of at most 1 MiB", remedy="name one override event")
    request = OverrideRequest.from_event(event)
    if dt.datetime.now(dt.UTC) >= request.end:
        raise OverrideRefusedError(OverrideReason.EXPIRED, "/expires_at")
    message_hash = request.message_hash()
    typer.echo(f"aegis: signing {message_hash.hex()}, valid {request.requested_at} to {request.expires_at}", err=True)
    return message_hash

"""Keys, policies and versions that a command was given by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from aegis_stream.encryption import PIIDecryptor, PIIEncryptor, create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import ConfigurationError
from aegis_stream.pii import Policy
from aegis_stream.secret_files import read_public_file, read_secret_file
from aegis_stream.wire import b64decode

PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="What is sensitive, as JSON; the twelve fields without it."),
]
VersionOption = Annotated[
    str | None,
    typer.Option("--dek-version", metavar="V", help="DEK version of a key given by hand, e.g. dek-v1-20260101."),
]
PublicKeyOption = Annotated[
    Path | None,
    typer.Option("--public-key", metavar="FILE", help="Encrypt to this HybridKEM public key (one line of base64)."),
]
PrivateKeyOption = Annotated[
    Path | None,
    typer.Option("--private-key", metavar="FILE", help="Decrypt with this HybridKEM private key (base64, mode 0600)."),
]


def policy_from(path: Path | None) -> Policy:
    """Return the policy of a JSON file, the default without one; warn on standard error of fields it leaves clear.

    Raises ConfigurationError, PolicyError.
    """
    if path is None:
        return Policy.default()
    value: object = None
    try:
        value = orjson.loads(read_public_file(path, name="--policy"))
    except orjson.JSONDecodeError:
        value = None  # the policy says what it wants instead of it
    policy = Policy.from_json(value)
    for warning in policy.warnings():
        typer.echo(f"aegis: warning: {path}: {warning}", err=True)
    return policy


def encryptor_from(public_key: Path, dek_version: str | None, policy: Path | None) -> PIIEncryptor:
    """Return an encryptor to the public key of a file.  Raises ConfigurationError, KeyRefusedError, PolicyError."""
    return create_pii_enricher(
        public_key=b64decode(read_public_file(public_key, name="--public-key")),
        dek_version=_version(dek_version),
        policy=policy_from(policy),
    )


def decryptor_from(private_key: Path, dek_version: str | None, policy: Path | None) -> PIIDecryptor:
    """Return a decryptor with the private key of a file of mode 0600.  Raises as `encryptor_from`."""
    return create_pii_decryptor(
        private_key=b64decode(read_secret_file(private_key, name="--private-key")),
        dek_version=_version(dek_version),
        policy=policy_from(policy),
    )


def _version(dek_version: str | None) -> str:
    if dek_version is None:
        raise ConfigurationError(
            "a key given by hand needs --dek-version",
            remedy="`aegis inspect` shows the version that an event was encrypted under",
        )
    return dek_version

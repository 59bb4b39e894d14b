"""`aegis kek`: make the key encryption key where it will live, and move to another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli import _rewrap
from aegis_stream.cli._exit import say_hint
from aegis_stream.cli._kek_output import Format, check_secret_name, rendered
from aegis_stream.errors import ConfigurationError, KEKError, KEKReason
from aegis_stream.kek import variables as v
from aegis_stream.kek.hsm import read_number
from aegis_stream.kek.kms_context import read_context
from aegis_stream.kek.provision import (
    HsmPlace,
    KEKKeypair,
    provision_environment,
    provision_hsm,
    provision_kms,
)
from aegis_stream.kek.secret import Secret
from aegis_stream.secret_files import check_new_file, read_secret_file, write_secret_file
from aegis_stream.wire import b64decode

if TYPE_CHECKING:
    from aegis_stream.kek.provision import Provisioned

app = typer.Typer(no_args_is_help=True, help="Make the key encryption key (KEK), and move from one to the next.")
provision = typer.Typer(
    no_args_is_help=True,
    help="Make a KEK's keypair, wrap it, open it again to be sure, and print the variables of a deployment.",
)
app.add_typer(provision, name="provision")
_rewrap.register(app)

FormatOption = Annotated[Format, typer.Option("--format", help="Form of the variables.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="A new file of mode 0600 instead of standard output."),
]
NameOption = Annotated[str, typer.Option("--secret-name", metavar="NAME", help="Name of the Kubernetes Secret.")]
NextOption = Annotated[bool, typer.Option("--next", help="Variables AEGIS_NEXT_…: the second KEK during a rotation.")]
ExistingOption = Annotated[
    Path | None,
    typer.Option(
        "--private-key",
        metavar="FILE",
        help="Take this KEK's private key (base64, mode 0600) to a new place instead of making one: its id stays.",
    ),
]


@provision.command("kms")
def kms(  # noqa: PLR0913 - options of a command
    *,
    key_id: Annotated[
        str | None,
        typer.Option("--key-id", metavar="ARN", help="Symmetric KMS key: ARN, id or alias; else AEGIS_KMS_KEY_ID."),
    ] = None,
    encryption_context: Annotated[
        list[str] | None,
        typer.Option("--encryption-context", metavar="NAME=VALUE", help="Adds to the encryption context; repeatable."),
    ] = None,
    private_key: ExistingOption = None,
    form: FormatOption = Format.ENV,
    output: OutputOption = None,
    secret_name: NameOption = "aegis-kek",  # noqa: S107 - the name of an object, not a secret
    next_kek: NextOption = False,
) -> None:
    """Encrypt a KEK's private key under an AWS KMS key.

    Needs kms:Encrypt and kms:Decrypt on it; a deployment needs kms:Decrypt alone.  The private key is never shown.

    Example: `aegis kek provision kms --key-id alias/aegis --format kubernetes`
    """
    variables = _variables(next_kek=next_kek)
    _check(output, secret_name)
    made = provision_kms(
        _given(key_id, variables, v.KMS_KEY_ID, option="--key-id"),
        keypair=_keypair(private_key),
        encryption_context=_context(encryption_context) or read_context(variables),
        prefix=variables.prefix,
    )
    _tell(made, form, output, secret_name)


@provision.command("hsm")
def hsm(  # noqa: PLR0913 - options of a command
    *,
    library: Annotated[
        str | None,
        typer.Option("--library", metavar="FILE", help="PKCS#11 library; else AEGIS_HSM_PKCS11_LIB."),
    ] = None,
    token_label: Annotated[
        str | None, typer.Option("--token-label", metavar="LABEL", help="Token; else AEGIS_HSM_TOKEN_LABEL.")
    ] = None,
    wrapping_key_label: Annotated[
        str | None,
        typer.Option(
            "--wrapping-key-label", metavar="LABEL", help="AES-256 key in the token; else AEGIS_HSM_WRAPPING_KEY_LABEL."
        ),
    ] = None,
    make_wrapping_key: Annotated[
        bool, typer.Option("--make-wrapping-key", help="Make that key first; it cannot leave the token.")
    ] = False,
    pin_file: Annotated[
        Path | None,
        typer.Option(
            "--pin-file", metavar="FILE", help="User PIN (mode 0600); else AEGIS_HSM_PIN or its _FILE, else a prompt."
        ),
    ] = None,
    private_key: ExistingOption = None,
    form: FormatOption = Format.ENV,
    output: OutputOption = None,
    secret_name: NameOption = "aegis-kek",  # noqa: S107 - the name of an object, not a secret
    next_kek: NextOption = False,
) -> None:
    """Wrap a KEK's private key inside an HSM over PKCS#11 (RFC 5649).

    Neither the private key nor the PIN is ever shown; a deployment gets the PIN from your secrets manager.

    Example: `aegis kek provision hsm --token-label aegis --wrapping-key-label aegis-kek-v1 --make-wrapping-key`
    """
    variables = _variables(next_kek=next_kek)
    _check(output, secret_name)  # before a key is made in the token
    place = HsmPlace(
        pkcs11_lib=_given(library, variables, v.HSM_PKCS11_LIB, option="--library"),
        token_label=_given(token_label, variables, v.HSM_TOKEN_LABEL, option="--token-label"),
        wrapping_key_label=_given(
            wrapping_key_label, variables, v.HSM_WRAPPING_KEY_LABEL, option="--wrapping-key-label"
        ),
        pin=_pin(pin_file, variables),
        mechanism=read_number(variables, v.HSM_MECHANISM),
    )
    made = provision_hsm(
        place, keypair=_keypair(private_key), make_wrapping_key=make_wrapping_key, prefix=variables.prefix
    )
    _tell(made, form, output, secret_name)


@provision.command("environment")
def environment(
    *,
    private_key: ExistingOption = None,
    form: FormatOption = Format.ENV,
    output: OutputOption = None,
    secret_name: NameOption = "aegis-kek",  # noqa: S107 - the name of an object, not a secret
    next_kek: NextOption = False,
) -> None:
    """Make a KEK that is kept in variables or mounted files: software protection only.

    What it prints holds the private key in the clear.  Use KMS or an HSM in production where there is one.

    Example: `aegis kek provision environment --output kek.env`
    """
    _check(output, secret_name)
    made = provision_environment(keypair=_keypair(private_key), prefix=_variables(next_kek=next_kek).prefix)
    _tell(made, form, output, secret_name)


def _variables(*, next_kek: bool) -> v.Variables:
    return v.Variables(prefix=v.NEXT_PREFIX if next_kek else v.PREFIX)


def _check(output: Path | None, secret_name: str) -> None:
    """Refuse what could not be told once it is made."""
    check_secret_name(secret_name)
    if output is not None:
        check_new_file(output)


def _given(value: str | None, variables: v.Variables, suffix: str, *, option: str) -> str:
    """Return an option's value, else the variable's; the error of neither names both."""
    if value:
        return value
    if not variables.present(suffix):
        name = variables.name(suffix)
        raise KEKError(KEKReason.INCOMPLETE, f"neither {option} is given nor {name} set", remedy=f"give {option}")
    return variables.text(suffix)


def _keypair(private_key: Path | None) -> KEKKeypair:
    if private_key is None:
        return KEKKeypair.generate()
    return KEKKeypair(Secret(b64decode(read_secret_file(private_key, name="--private-key"))))


def _context(pairs: list[str] | None) -> dict[str, str]:
    context = dict(pair.partition("=")[::2] for pair in pairs or ())
    if not all(context) or any("=" not in pair for pair in pairs or ()):
        raise ConfigurationError("--encryption-context is NAME=VALUE", remedy="for example deployment=payments")
    return context


def _pin(pin_file: Path | None, variables: v.Variables) -> Secret[str]:
    if pin_file is not None:
        return Secret(read_secret_file(pin_file, name="--pin-file"))
    if variables.present(v.HSM_PIN):
        return variables.secret(v.HSM_PIN)
    if sys.stdin.isatty():
        return Secret(typer.prompt("PIN", hide_input=True, err=True))
    raise KEKError(
        KEKReason.INCOMPLETE,
        f"no PIN is given and nobody can be asked ({variables.name(v.HSM_PIN)} is not set)",
        remedy="--pin-file FILE, with one line and mode 0600",
    )


def _tell(made: Provisioned, form: Format, output: Path | None, secret_name: str) -> None:
    """Write the variables, and say what was checked and what comes next."""
    text = rendered(made, form, secret_name=secret_name)
    if output is not None:
        write_secret_file(output, text.rstrip("\n"))
    else:
        sys.stdout.write(text)
    typer.echo(f"{made.provider} KEK {made.kek_id}: made, and opened again as a deployment will", err=True)
    if made.secrets:
        say_hint(f"{', '.join(sorted(made.secrets))} is the private key in the clear: keep it as a secret")
    for name in made.to_add:
        say_hint(f"add {name} or {name}_FILE from your secrets manager")

"""The `aegis` command: one file a noun, registered below."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli import (
    _exit,
    audit,
    classify,
    consume,
    control,
    custodian,
    dashboard,
    dead_letters,
    decrypt,
    demo,
    destroy,
    doctor,
    emergency,
    encrypt,
    enricher,
    history,
    inspect,
    kek,
    keys,
    policy,
    produce,
    revoke,
    rotate,
    run,
    settings,
    topics,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["app", "main"]

app = typer.Typer(
    name="aegis",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# One line a noun: `app.command()` for a plain command, `app.add_typer()` for one with commands of its own.
app.command("doctor")(doctor.doctor)
app.add_typer(kek.app, name="kek")
app.add_typer(custodian.app, name="custodian")
app.add_typer(keys.app, name="keys")
app.add_typer(run.app, name="run")
app.command("produce")(produce.produce)
app.command("consume")(consume.consume)
app.command("encrypt")(encrypt.encrypt)
app.command("decrypt")(decrypt.decrypt)
app.command("inspect")(inspect.inspect)
app.command("classify")(classify.classify)
app.command("demo")(demo.demo)
app.command("settings")(settings.show)
app.add_typer(topics.app, name="topics")
app.command("rotate")(rotate.rotate)
app.command("revoke")(revoke.revoke)
app.command("destroy")(destroy.destroy)
app.command("emergency")(emergency.emergency)
app.add_typer(control.app, name="control")
app.add_typer(enricher.app, name="enricher")
app.add_typer(audit.app, name="audit")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(policy.app, name="policy")
app.add_typer(history.app, name="history")
app.command("dashboard")(dashboard.dashboard)


def _version(value: bool) -> None:  # noqa: FBT001 - the callback of an option takes its value
    if value:
        typer.echo(f"aegis {version('aegis-stream')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Encrypt personal data in Kafka events, field by field, with hybrid post-quantum keys.

    Results go to standard output, everything else to standard error.

    Exit codes: 0 done, 1 something was refused, 2 usage or configuration, 3 Kafka or the KEK's keeper is away.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `aegis` with these arguments, by default those of the process; returns the exit code."""
    return _exit.run(app, sys.argv[1:] if arguments is None else arguments)

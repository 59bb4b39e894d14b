"""The options that every command about the control topic has, added to each by one decorator."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - read at run time, as a type of options
from typing import TYPE_CHECKING, Annotated, Concatenate, ParamSpec, get_type_hints

import typer

from aegis_stream.cli._private_key import KeyOption

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

DEFAULT_WAIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a command goes on: with whose key, how far, and what it prints.

    key: file of the custodian's private key.  dry_run: stop after showing what would change.  yes: do not ask.
    reason: stands in the command, for the record.  wait_s: seconds to wait for the agent's answer, None for the
    default: a minute where nothing else is missing, and not at all where another custodian must sign.
    """

    key: Path | None
    dry_run: bool
    yes: bool
    reason: str | None
    wait_s: float | None
    json: bool


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop there.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before signing.")]
ReasonOption = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, one line; it is signed and stays on record.")
]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="How long to wait for the answer: 60 where nobody else must sign, else 0.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]

_OPTIONS: dict[str, tuple[object, object]] = {
    "key": (KeyOption, None),
    "dry_run": (DryRunOption, False),
    "yes": (YesOption, False),
    "reason": (ReasonOption, None),
    "wait_s": (WaitOption, None),
    "json": (JsonOption, False),
}


def with_how(command: Callable[Concatenate[How, P], int]) -> Callable[..., int]:
    """Give a command these options; its first parameter `how` takes them."""
    hints = get_type_hints(command, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> int:
        how = How(**{name: kwargs.pop(name) for name in _OPTIONS})  # type: ignore[arg-type]  # typer has parsed them
        return command(how, *args, **kwargs)

    del wrapper.__wrapped__  # typer would look at the types of the inner function
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper

"""`aegis policy`: what is sensitive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.cli._key_files import policy_from
from aegis_stream.control.arguments import SetPolicy

app = typer.Typer(no_args_is_help=True, help="Change what is sensitive.")

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The policy as JSON: id, names, pointers, exclude; see wire-format.md.")
]


@app.command("set")
@with_how
def set_policy(how: How, file: FileArgument) -> int:
    """Put a policy in force, and with it a new DEK, so that old events stay judged by theirs.  Both custodians sign.

    An id means one policy for ever; going back to an earlier policy is fine.

    Exit codes: as `aegis revoke`.

    Example: `aegis policy set policy.json --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    arguments = SetPolicy(policy_from(file))
    return issue(how, lambda _client: arguments)

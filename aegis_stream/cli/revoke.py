"""`aegis revoke`: readers refuse a DEK, or every DEK below one."""

from __future__ import annotations

from typing import Annotated

import typer

from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.control.arguments import RevokeDek, SetMinimumVersion
from aegis_stream.errors import ConfigurationError
from aegis_stream.wire import DekVersion


@with_how
def revoke(
    how: How,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="DEK to revoke, never the active one.", show_default=False)
    ] = None,
    *,
    below: Annotated[
        str | None, typer.Option("--below", metavar="VERSION", help="Refuse every DEK below this one instead.")
    ] = None,
) -> int:
    """Have readers refuse a DEK from now on, but for an audit that names it.  Both custodians sign.

    Exit codes: 0 executed or waiting for the other signature, 1 refused or expired, 2 configuration, 3 Kafka is away or
    the agent has not answered.

    Example: `aegis revoke dek-v1-20260101 --key risk-lead.key`, then the other: `aegis control approve ID`
    """
    if (version is None) == (below is None):
        raise ConfigurationError("give either a VERSION or --below VERSION", remedy="`aegis keys list` shows them")
    if version is not None:
        arguments: RevokeDek | SetMinimumVersion = RevokeDek(DekVersion.parse(version))
    else:
        arguments = SetMinimumVersion(DekVersion.parse(below or ""))
    return issue(how, lambda _client: arguments)

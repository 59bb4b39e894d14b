"""`aegis keys new-agent|replace-agent`: the rotation agent's next key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aegis_stream.cli._exit import say_hint
from aegis_stream.cli._how import How, with_how
from aegis_stream.cli._issue import issue
from aegis_stream.cli._pair_files import write_pair
from aegis_stream.cli._public_keys import public_key
from aegis_stream.control.custody_arguments import ReplaceAgentKey
from aegis_stream.signature import AgentSigner, HybridSignature, check_agent_public

OutOption = Annotated[
    Path,
    typer.Option("--out", metavar="FILE", help="New file NAME.key for the private key; the public one is NAME.pub."),
]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The agent's new public key.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `aegis keys`."""
    app.command("new-agent")(new_agent)
    app.command("replace-agent")(replace_agent)


def new_agent(*, out: OutOption) -> None:
    """Make a keypair for the rotation agent: the private key in a file of mode 0600, the public key beside it.

    Exit codes: 0 made, 2 a file exists or cannot be written.

    Example: `aegis keys new-agent --out agent-signing-2.key`
    """
    signer = AgentSigner.from_seed(HybridSignature.generate_keypair().private)
    public_file = write_pair(out, private=signer.export(), public=signer.public)
    typer.echo(f"aegis: wrote {out} (private, AEGIS_AGENT_SIGNING_KEY_FILE) and {public_file} (public)", err=True)
    typer.echo(signer.key_id)


@with_how
def replace_agent(how: How, file: FileArgument) -> int:
    """Have manifests signed with another key from the next one on.  Both custodians sign.

    Pin the new key beside the old one everywhere first (AEGIS_AGENT_PUBLIC_KEY, with a comma between): a follower that
    does not know it takes no manifest any more.  Then approve, and start the agent with the new key.

    Exit codes: as `aegis revoke`.

    Example: `aegis keys replace-agent agent-signing-2.pub --key risk-lead.key`
    """
    key = check_agent_public(public_key(file, name="FILE"))
    say_hint("every enricher and reader must pin the new key before this is approved")
    return issue(how, lambda _client: ReplaceAgentKey(key))

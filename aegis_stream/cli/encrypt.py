"""`aegis encrypt`: JSONL in, encrypted JSONL out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aegis_stream.cli._control import active_encryptor
from aegis_stream.cli._key_files import PolicyOption, PublicKeyOption, VersionOption, encryptor_from
from aegis_stream.cli._lines import LineJob, Refusal
from aegis_stream.cli._streams import STANDARD, InputOption, OutputOption
from aegis_stream.encryption import Rejected
from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def encrypt(  # noqa: PLR0913 - the options of a command
    *,
    source: InputOption = STANDARD,
    target: OutputOption = STANDARD,
    public_key: PublicKeyOption = None,
    dek_version: VersionOption = None,
    policy: PolicyOption = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Pass over refused events; still exit 1.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No closing line.")] = False,
) -> int:
    """Encrypt the sensitive fields of events, one JSON object a line.

    Without --public-key the active DEK of the deployment is used, as the control topic's signed manifest names it;
    policy and version come from there too.

    Example: `aegis encrypt --public-key dek.pub --dek-version dek-v1-20260101 < events.jsonl > encrypted.jsonl`
    """
    if public_key is not None:
        encryptor = encryptor_from(public_key, dek_version, policy)
    elif dek_version is not None or policy is not None:
        raise ConfigurationError(
            "--dek-version and --policy go with --public-key", remedy="without a key both come from the manifest"
        )
    else:
        encryptor = active_encryptor()

    def convert(raw: Sequence[bytes]) -> Sequence[bytes | Refusal]:
        return [
            Refusal(result.reason, result.path) if isinstance(result, Rejected) else result.value
            for result in encryptor.protect_batch(raw)
        ]

    job = LineJob(title="encrypting", done="encrypted", convert=convert, keep_going=keep_going, quiet=quiet)
    return job.run(source, target)

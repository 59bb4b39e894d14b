"""`aegis decrypt`: encrypted JSONL in, JSONL out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli._control import keyring_decryptor
from aegis_stream.cli._key_files import PolicyOption, PrivateKeyOption, VersionOption, decryptor_from
from aegis_stream.cli._lines import LineJob, Refusal
from aegis_stream.cli._streams import STANDARD, InputOption, OutputOption
from aegis_stream.encryption import Unreadable
from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence


def decrypt(  # noqa: PLR0913 - the options of a command
    *,
    source: InputOption = STANDARD,
    target: OutputOption = STANDARD,
    private_key: PrivateKeyOption = None,
    dek_version: VersionOption = None,
    policy: PolicyOption = None,
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Pass over refused events; still exit 1.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No closing line.")] = False,
) -> int:
    """Decrypt events, one JSON object a line; an event that breaks any rule of the format is refused whole.

    Without --private-key the DEKs come from the control topic and the KEK from the environment's provider, and
    versions, signatures and policies are judged as the signed manifest says.

    Example: `aegis decrypt --private-key dek.key --dek-version dek-v1-20260101 --in encrypted.jsonl`
    """
    done = "decrypted"
    if private_key is not None:
        done = "decrypted; signatures not judged: a bare key comes without a manifest"
        decryptor = decryptor_from(private_key, dek_version, policy)
    elif dek_version is not None or policy is not None:
        raise ConfigurationError(
            "--dek-version and --policy go with --private-key", remedy="without a key both come from the manifest"
        )
    else:
        decryptor = keyring_decryptor()

    def convert(raw: Sequence[bytes]) -> Sequence[bytes | Refusal]:
        return [
            Refusal(result.reason, result.path) if isinstance(result, Unreadable) else orjson.dumps(result.event)
            for result in decryptor.open_batch(raw)
        ]

    job = LineJob(title="decrypting", done=done, convert=convert, keep_going=keep_going, quiet=quiet)
    return job.run(source, target)

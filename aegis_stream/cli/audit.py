"""`aegis audit`: look back at what was decided."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import re
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import orjson
import typer

from aegis_stream.cli._audit_report import as_csv, as_json, print_table, tell_pending
from aegis_stream.cli._exit import OK, REFUSED
from aegis_stream.cli._progress import EventProgress
from aegis_stream.cli._public_keys import custodian_public_key
from aegis_stream.control.custodians import custodian_keys
from aegis_stream.custodian.override_audit import OverrideAudit
from aegis_stream.custodian.provider import custodian_key_id
from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import write_secret_file
from aegis_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from aegis_stream.client.scan import Scan
    from aegis_stream.custodian.override_audit import PendingOverride

app = typer.Typer(no_args_is_help=True, help="Look back at what was decided.")

_KEY_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


class Form(StrEnum):
    """The form of a report."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class Report(NamedTuple):
    """What an audit has found; `refused` counts records that could not be opened, by reason."""

    audit: OverrideAudit
    records: int
    refused: Counter[str]


KeyIdOption = Annotated[
    str | None,
    typer.Option("--key", metavar="ID", help="Decisions of this custodian's key, by id or .pub file; all without it."),
]
FormOption = Annotated[Form, typer.Option("--format", help="Form of the report.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As --format json.")]
VersionsOption = Annotated[
    list[str] | None,
    typer.Option("--dek-version", metavar="V", help="Open this DEK although it is revoked; may be repeated."),
]
SignersOption = Annotated[
    list[str] | None,
    typer.Option("--signer", metavar="ID", help="Open this enricher's events although its key is revoked; repeatable."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--save-pending",
        metavar="DIR",
        help="Write each request that must be signed again to a file of mode 0600: it is in the clear.",
    ),
]


@app.callback()
def _audit() -> None:
    """Look back at what was decided."""


@app.command("overrides")
def overrides(  # noqa: PLR0913 - options of a command
    *,
    key: KeyIdOption = None,
    form: FormOption = Form.TABLE,
    json: JsonOption = False,
    dek_version: VersionsOption = None,
    signer: SignersOption = None,
    save_pending: FolderOption = None,
) -> int:
    """Read the whole encrypted topic and judge every override decision: signatures, signers, window, combined hash.

    Each is judged as of its time, by the keys of that time.  Lists the requests that the key has signed, that are still
    open and must be signed again, with the command that does it.  No justification and no requester is shown.

    Exit codes: 0 all are verified, 1 some are not, or records could not be opened, 2 configuration, 3 Kafka or the
    KEK's keeper is away.

    Example: `aegis audit overrides --key 4f0c2a9be1d37d56 --format csv`
    """
    key_id = None if key is None else _key_id(key)
    _make_folder(save_pending)
    report = asyncio.run(_read(load_settings(), key_id, dek_version or (), signer or ()))
    pending = report.audit.pending(dt.datetime.now(dt.UTC))
    files = _saved(pending, save_pending)
    chosen = Form.JSON if json else form
    if chosen is Form.JSON:
        typer.echo(orjson.dumps(as_json(report.audit.findings, pending, files, report), option=orjson.OPT_INDENT_2))
    elif chosen is Form.CSV:
        typer.echo(as_csv(report.audit.findings), nl=False)
    else:
        print_table(report.audit.findings)
    if chosen is not Form.JSON:
        tell_pending(pending, files, report)
    good = not report.refused and all(finding.verdict.verified for finding in report.audit.findings)
    return OK if good else REFUSED


def _key_id(key: str) -> str:
    """Return the id of a key that is named by its id or by the file of the public key."""
    if _KEY_ID.fullmatch(key):
        return key
    return custodian_key_id(custodian_public_key(Path(key), name="--key"))


async def _read(
    settings: Settings, key: str | None, versions: list[str] | tuple[str, ...], signers: list[str] | tuple[str, ...]
) -> Report:
    from aegis_stream.client.scan import open_scan  # noqa: PLC0415 - aiokafka is slow to import

    async with open_scan(settings, audit_versions=versions, audit_signers=signers) as scan:
        return await _judged(scan, key)


async def _judged(scan: Scan, key: str | None) -> Report:
    from aegis_stream.client.received import ReceivedEvent  # noqa: PLC0415 - as above

    keys = custodian_keys(scan.manifest)
    if key is not None and key not in {each.key_id for each in (*keys.risk_lead, *keys.security_lead)}:
        raise ConfigurationError(
            f"the manifest has no custodian's key {key}", remedy="`aegis custodian show` prints the id of a key"
        )
    report = Report(OverrideAudit(keys, key_id=key), 0, Counter())
    records = 0
    with EventProgress("auditing") as progress:
        async for batch in scan.events():
            for item in batch:
                if isinstance(item, ReceivedEvent):
                    report.audit.add(
                        item.event,
                        at=dt.datetime.fromtimestamp(item.timestamp_ms / 1000, dt.UTC),
                        place=f"{item.topic}/{item.partition}/{item.offset}",
                        source=item.source,
                    )
                else:
                    report.refused[item.reason.value] += 1
            records += len(batch)
            progress.advance(events=len(batch))
    return report._replace(records=records)


def _make_folder(folder: Path | None) -> None:
    """Make it before a long audit is over and cannot say what it has found."""
    problem = ""
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            problem = error.strerror or "no reason given"
    if problem:
        raise ConfigurationError(
            f"the folder {folder} cannot be made ({problem})", remedy="name another --save-pending"
        )


def _saved(pending: list[PendingOverride], folder: Path | None) -> dict[str, Path]:
    """Write the requests that must be signed again, where that was asked for; returns the files by place."""
    files = {}
    if folder is not None:
        for each in pending:
            raw = orjson.dumps(dict(each.event))
            name = _FILE_NAME.sub("_", each.finding.verdict.override_id)[:80]
            path = folder / f"{name}-{hashlib.sha256(raw).hexdigest()[:8]}.json"
            if not path.exists():  # else an earlier audit has saved the very same
                write_secret_file(path, raw.decode())
            files[each.finding.place] = path
    return files

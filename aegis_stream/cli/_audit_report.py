"""The report of an audit of override decisions: table, CSV, JSON."""

from __future__ import annotations

import csv
import io
import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from aegis_stream.cli._exit import say_error, say_hint
from aegis_stream.errors import ReadReason
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aegis_stream.cli.audit import Report
    from aegis_stream.custodian.override_audit import OverrideFinding, PendingOverride

COLUMNS = (
    "override_id",
    "at",
    "verified",
    "reason",
    "path",
    "risk_key",
    "security_key",
    "requested_at",
    "expires_at",
    "place",
)


_NAMED_BY_AN_AUDIT = {ReadReason.DEK_REVOKED.value, ReadReason.SIGNER_REVOKED.value}
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


def _row(finding: OverrideFinding) -> dict[str, Any]:
    verdict = finding.verdict
    return {
        "override_id": verdict.override_id,
        "at": time_text(finding.at),
        "verified": verdict.verified,
        "reason": "" if verdict.reason is None else verdict.reason.value,
        "path": verdict.path,
        "risk_key": verdict.risk_key,
        "security_key": verdict.security_key,
        "requested_at": finding.requested_at,
        "expires_at": finding.expires_at,
        "place": finding.place,
    }


def as_csv(findings: Sequence[OverrideFinding]) -> str:
    """Return the report with a line of titles; texts of events in one line each, and none that a spreadsheet runs."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in _row(finding).items()} for finding in findings)
    return text.getvalue()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    return plain(f"'{value}" if value.startswith(_FORMULA) else value)


def as_json(
    findings: Sequence[OverrideFinding], pending: Sequence[PendingOverride], files: Mapping[str, Path], report: Report
) -> dict[str, Any]:
    """Return the report as one object."""
    return {
        "records": report.records,
        "unreadable": dict(sorted(report.refused.items())),
        "decisions": [_row(finding) for finding in findings],
        "sign_again": [
            {
                "override_id": each.finding.verdict.override_id,
                "roles": list(each.roles),
                "expires_at": each.finding.expires_at,
                "command": _command(each, files),
            }
            for each in pending
        ],
    }


def print_table(findings: Sequence[OverrideFinding]) -> None:
    """Print the report for people."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("override", "at", "verdict", "Risk Lead's key", "Security Lead's key", "place"):
        table.add_column(title, overflow="fold")
    for finding in findings:
        row = {name: plain(str(value)) for name, value in _row(finding).items()}
        verdict = "verified" if finding.verdict.verified else f"{row['reason']} {row['path']}".strip()
        table.add_row(row["override_id"], row["at"], verdict, row["risk_key"], row["security_key"], row["place"])
    Console(soft_wrap=False, markup=False).print(table)


def tell_pending(pending: Sequence[PendingOverride], files: Mapping[str, Path], report: Report) -> None:
    """Say on standard error what is left to do, and what could not be read."""
    for reason, count in sorted(report.refused.items()):
        say_error(f"{count} record(s) could not be opened: {reason}")
    if _NAMED_BY_AN_AUDIT & report.refused.keys():
        say_hint("name revoked DEKs with --dek-version and revoked enrichers with --signer")
    for each in pending:
        verdict = each.finding.verdict
        say_error(f"override {verdict.override_id} must be signed again by {' and '.join(each.roles)}")
        say_hint(_command(each, files))


def _command(each: PendingOverride, files: Mapping[str, Path]) -> str:
    path = files.get(each.finding.place)
    event = "FILE" if path is None else shlex.quote(str(path))
    return f"aegis custodian sign --override {event} --key NEW.key"

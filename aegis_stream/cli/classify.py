"""`aegis classify`: what would be encrypted in these events, and what would stay in the clear and should not."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from aegis_stream.cli import _exit
from aegis_stream.cli._documents import documents
from aegis_stream.cli._key_files import PolicyOption, policy_from
from aegis_stream.cli._personal import Looks, looks_personal
from aegis_stream.cli._streams import STANDARD, FileArgument
from aegis_stream.document import parse_object
from aegis_stream.encryption import Rejected, create_pii_enricher
from aegis_stream.encryption.writer import MAX_DEPTH
from aegis_stream.errors import WriteReason
from aegis_stream.hybrid import HybridKEM
from aegis_stream.pii import Policy, Priority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VERSION = "dek-v1-20260101"
_INDEX = re.compile(r"/[0-9]+(?=/|$)")
_STYLES = {Priority.CRITICAL: "red", Priority.HIGH: "yellow", Priority.MEDIUM: "cyan", Priority.CUSTOM: "magenta"}


@dataclass(slots=True)
class Report:
    """Counts over all events; arrays' indexes are written `*`, so one place is one row.

    encrypted: (field, priority, path) to events.  personal: (path, what it looks like) to events.
    """

    events: int = 0
    encrypted: Counter[tuple[str, Priority, str]] = field(default_factory=Counter)
    personal: Counter[tuple[str, Looks]] = field(default_factory=Counter)
    refused: list[tuple[int, WriteReason]] = field(default_factory=list)

    def to_json(self, policy: Policy) -> dict[str, Any]:
        """Return it as JSON shows it."""
        rows = sorted(self.encrypted.items(), key=_by_priority)
        return {
            "events": self.events,
            "policy": policy.id,
            "policy_warnings": list(policy.warnings()),
            "encrypted": [{"field": f, "priority": p, "path": path, "count": n} for (f, p, path), n in rows],
            "clear_but_personal": [
                {"path": path, "looks_like": looks, "count": n} for (path, looks), n in sorted(self.personal.items())
            ],
            "refused": [{"line": number, "reason": reason} for number, reason in self.refused],
        }


def classify(
    *,
    source: FileArgument = STANDARD,
    policy: PolicyOption = None,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 if a value in the clear looks personal.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")] = False,
) -> int:
    """Report what would be encrypted in these events, where and at what priority; no value is shown.

    It also warns of values that would stay in the clear and look personal: e-mail and IP addresses, phone numbers,
    IBANs with a right checksum.  Exits with 1 if an event would be refused.

    Example: `aegis classify events.jsonl --policy policy.json`
    """
    chosen = policy_from(policy)
    report = _survey(source, chosen)
    if json:
        typer.echo(orjson.dumps(report.to_json(chosen)))
    else:
        _show(report, chosen)
    return _exit.REFUSED if report.refused or (check and report.personal) else _exit.OK


def _survey(source: Path, policy: Policy) -> Report:
    """Look through all events; the writer itself, with a key for this once, says which it would refuse."""
    writer = create_pii_enricher(public_key=HybridKEM.generate_keypair().public, dek_version=_VERSION, policy=policy)
    report = Report()
    for line in documents(source):
        report.events += 1
        (result,) = writer.protect_batch([line.raw])
        event = parse_object(line.raw)
        if isinstance(result, Rejected) or event is None:
            reason = result.reason if isinstance(result, Rejected) else WriteReason.NOT_JSON
            report.refused.append((line.number, reason))
            continue
        places = [target[3] for target in writer.classifier.survey(event, MAX_DEPTH).targets]
        for place in places:
            priority = writer.classifier.priority(place.label)
            report.encrypted[place.label, priority, _INDEX.sub("/*", place.path)] += 1
        for path, text in _clear_texts(event, "", {place.path for place in places}):
            for looks in looks_personal(text):
                report.personal[_INDEX.sub("/*", path), looks] += 1
    return report


def _clear_texts(value: object, path: str, hidden: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every string that stays in the clear."""
    if path in hidden:
        return
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _clear_texts(member, f"{path}/{name.replace('~', '~0').replace('/', '~1')}", hidden)
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _clear_texts(element, f"{path}/{index}", hidden)
    elif isinstance(value, str):
        yield path, value


def _by_priority(row: tuple[tuple[str, Priority, str], int]) -> tuple[int, str, str]:
    (label, priority, path), _ = row
    return list(Priority).index(priority), label, path


def _show(report: Report, policy: Policy) -> None:
    """Print the tables to standard output and the refused lines to standard error."""
    console = Console(highlight=False)
    console.print(f"{report.events:,} events, policy {policy.id}")
    table = Table(box=None, header_style="dim", pad_edge=False)
    for title in ("would be encrypted", "priority", "where"):
        table.add_column(title)
    table.add_column("times", justify="right")
    for (label, priority, path), count in sorted(report.encrypted.items(), key=_by_priority):
        table.add_row(Text(label), Text(priority, style=_STYLES[priority]), Text(path), f"{count:,}")
    console.print(table if report.encrypted else "nothing would be encrypted")
    if report.personal:
        console.print()
        warned = Table(box=None, header_style="dim", pad_edge=False)
        for title in ("stays in the clear", "looks like"):
            warned.add_column(title)
        warned.add_column("times", justify="right")
        for (path, looks), count in sorted(report.personal.items()):
            warned.add_row(Text(path), Text(looks, style="yellow"), f"{count:,}")
        console.print(warned)
    for number, reason in report.refused:
        _exit.say_error(f"line {number} would be refused: {reason}")
    if report.personal:
        _exit.say_hint('a policy can name them: {"id": "…", "names": […], "pointers": ["/…"]}')

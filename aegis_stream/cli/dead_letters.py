"""`aegis dead-letters`: what was refused and why; put back after a fix, or aside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from aegis_stream.cli import _dead_letters_report as report
from aegis_stream.cli._dead_letters_job import LettersJob, one_letter, read_survey
from aegis_stream.cli._exit import OK
from aegis_stream.client.dead_letters.marks import NOTE
from aegis_stream.client.dead_letters.survey import OPEN
from aegis_stream.errors import ConfigurationError, WriteReason
from aegis_stream.settings import load_settings

if TYPE_CHECKING:
    from aegis_stream.client.dead_letters import Standing

app = typer.Typer(
    no_args_is_help=True, help="See what the enricher refused and why; put it back after a fix, or aside."
)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="topic/partition/offset; of the raw topic, without it.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Letters, as `list` names them.")]
ReasonOption = Annotated[
    list[WriteReason] | None, typer.Option("--reason", metavar="REASON", help="All open letters of it; repeatable.")
]
AllOption = Annotated[bool, typer.Option("--all", help="All open letters.")]
VersionsOption = Annotated[
    list[str] | None,
    typer.Option("--dek-version", metavar="V", help="Use this DEK although it is revoked; may be repeated."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show which letters it would be, and stop there.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list")
def list_letters(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also letters that were replayed or discarded.")] = False,
    reason: ReasonOption = None,
    json: JsonOption = False,
) -> int:
    """List refused records by where they came from and why, and count them; needs no key and shows no content.

    Exit codes: 0 done, also where there is none; 2 configuration; 3 Kafka is away or a topic is missing.

    Example: `aegis dead-letters list --reason too-large --json`
    """
    settings = load_settings()
    survey = asyncio.run(read_survey(settings))
    shown = [each for each in survey.standings if _is_shown(each, everything=everything, reasons=reason)]
    if json:
        typer.echo(orjson.dumps(report.survey_shape(survey, shown, dead_letter_topic=settings.topic_dead_letter)))
    else:
        report.print_survey(survey, shown)
    return OK


@app.command("show")
def show(
    letter: IdArgument,
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Open it with the KEK and print the record: it is in the clear.")
    ] = False,
    dek_version: VersionsOption = None,
    json: JsonOption = False,
) -> int:
    """Show one dead letter; with --payload and a KEK also the refused record: key, value and headers.

    Exit codes: 0 done; 1 there is no such letter, or it does not open; 2 configuration; 3 Kafka or the KEK's keeper is
    away.

    Example: `aegis dead-letters show 3/1882 --payload`
    """
    settings = load_settings()
    standing, opened = asyncio.run(one_letter(settings, letter, payload=payload, versions=dek_version or ()))
    shape = report.standing_shape(standing, dead_letter_topic=settings.topic_dead_letter)
    if opened is not None:
        shape["record"] = report.record_shape(opened)
    if json:
        typer.echo(orjson.dumps(shape))
    else:
        report.print_standing(shape)
    return OK


@app.command("replay")
def replay(  # noqa: PLR0913 - the options of a command
    letters: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    everything: AllOption = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Also letters, named by ID, that were discarded or whose replay is uncertain."),
    ] = False,
    dek_version: VersionsOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> int:
    """Put refused records back on the raw topic, each once: same partition, in the order in which they came.

    Repair first what they were refused for.  Needs a KEK.  Interrupted at any moment, run it again: it finds out what
    was written and goes on behind it.

    Exit codes: 0 all are replayed; 1 some were not, each is named; 2 configuration; 3 Kafka or the KEK's keeper is
    away, or another such command has taken over.

    Example: `aegis dead-letters replay --reason too-large --yes`
    """
    _check_choice(letters, reason, everything=everything)
    if again and not letters:
        raise ConfigurationError("--again is for letters that are named", remedy="name each by its ID")
    settings = load_settings()
    job = LettersJob(
        settings, ids=letters or (), reasons=reason or (), everything=everything, dry_run=dry_run, yes=yes, json=json
    )
    return job.tell(asyncio.run(job.replay(versions=dek_version or (), again=again)), word="replayed")


@app.command("discard")
def discard(  # noqa: PLR0913 - the options of a command
    letters: IdsArgument = None,
    *,
    reason: ReasonOption = None,
    everything: AllOption = False,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="Why, one line; it stays on the state topic, readable.")
    ] = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    json: JsonOption = False,
) -> int:
    """Put refused records aside: they are no longer listed and not replayed.  Needs no key.

    The sealed records stay on their topic until its retention ends.

    Exit codes: 0 all are put aside; 1 some were not, each is named; 2 configuration; 3 Kafka is away, or another such
    command has taken over.

    Example: `aegis dead-letters discard 3/1882 --note "test data" --yes`
    """
    _check_choice(letters, reason, everything=everything)
    if note is not None and not NOTE.fullmatch(note):
        raise ConfigurationError("--note is one line of at most 500 characters", remedy="shorten it")
    settings = load_settings()
    job = LettersJob(
        settings, ids=letters or (), reasons=reason or (), everything=everything, dry_run=dry_run, yes=yes, json=json
    )
    return job.tell(asyncio.run(job.discard(note=note)), word="discarded")


def _check_choice(ids: list[str] | None, reasons: list[WriteReason] | None, *, everything: bool) -> None:
    """Refuse none and several ways to say which letters are meant."""
    if [bool(ids), bool(reasons), everything].count(True) != 1:
        raise ConfigurationError("say which letters are meant", remedy="name IDs, or --reason, or --all: one of them")


def _is_shown(standing: Standing, *, everything: bool, reasons: list[WriteReason] | None) -> bool:
    return (everything or standing.state in OPEN) and (not reasons or standing.letter.reason in reasons)

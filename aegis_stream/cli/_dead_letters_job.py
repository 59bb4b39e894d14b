"""Choose dead letters, ask, do it, and tell what was done."""

from __future__ import annotations

import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import orjson
import typer

from aegis_stream.cli import _dead_letters_report as report
from aegis_stream.cli._ask import confirm
from aegis_stream.cli._exit import OK, REFUSED, say_error, say_hint
from aegis_stream.cli._progress import EventProgress
from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.dead_letters import Desk, Done, letter_keys, survey_letters
from aegis_stream.client.dead_letters.batches import read_sealed
from aegis_stream.client.dead_letters.partition_reader import PartitionReader
from aegis_stream.errors import LetterRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.client.dead_letters import Standing, Survey
    from aegis_stream.errors import WriteReason
    from aegis_stream.sealing import OpenedRecord
    from aegis_stream.settings import Settings

SHOWN_REFUSALS = 20


class LettersJob:
    """Letters that were asked for, and what is printed of them."""

    def __init__(  # noqa: PLR0913 - the options of the commands
        self,
        settings: Settings,
        *,
        ids: Sequence[str],
        reasons: Sequence[WriteReason],
        everything: bool,
        dry_run: bool,
        yes: bool,
        json: bool,
    ) -> None:
        """Take the options of a command: one of ids, reasons and everything says which letters."""
        self._settings = settings
        self._ids, self._reasons, self._everything = ids, reasons, everything
        self._dry_run, self._yes, self._json = dry_run, yes, json

    async def replay(self, *, versions: Sequence[str], again: bool) -> list[Done]:
        """Put them back.  Raises as the desk."""
        done: list[Done] = []
        async with letter_keys(self._settings, audit_versions=versions) as keys:
            if self._dry_run:
                return _as_planned(self._chosen(await read_survey(self._settings)))
            async with Desk(self._settings, on_wait=_say_wait) as desk:
                standings = await self._asked(desk, f"Put {{}} back on {self._settings.topic_raw}?")
                with EventProgress("replaying", total_events=len(standings), unit="letters") as progress:
                    async with aclosing(desk.replay(standings, keys, again=again)) as batches:
                        async for batch in batches:
                            done += batch
                            progress.advance(events=len(batch))
        return done

    async def discard(self, *, note: str | None) -> list[Done]:
        """Put them aside.  Raises as the desk."""
        if self._dry_run:
            return _as_planned(self._chosen(await read_survey(self._settings)))
        async with Desk(self._settings, on_wait=_say_wait) as desk:
            standings = await self._asked(desk, "Put {} aside?")
            return await desk.discard(standings, note=note)

    async def _asked(self, desk: Desk, question: str) -> list[Standing]:
        """Choose, ask, and find out about those that were interrupted."""
        chosen = self._chosen(await desk.survey())
        if chosen:
            confirm(question.format(_counted(len(chosen))), yes=self._yes)
        return await desk.settle(chosen)

    def _chosen(self, survey: Survey) -> tuple[Standing, ...]:
        return survey.select(
            ids=self._ids, topic=self._settings.topic_raw, reasons=self._reasons, everything=self._everything
        )

    def tell(self, done: Sequence[Done], *, word: str) -> int:
        """Print what was done and return the exit code."""
        word = f"to be {word}" if self._dry_run else word
        refused = [each for each in done if each.refusal is not None]
        shapes = [report.done_shape(each, word=word) for each in done]
        if self._json:
            counts = {"done": len(done) - len(refused), "refused": len(refused)}
            typer.echo(orjson.dumps({**counts, "letters": shapes}))
        else:
            for shape in shapes:
                if shape["outcome"] == word:
                    told = f" as {shape['replayed_as']}" if "replayed_as" in shape else ""
                    typer.echo(f"{shape['id']} {word}{told}")
            _say_refusals(refused)
            sys.stderr.write(f"aegis: {_counted(len(done) - len(refused))} {word}, {len(refused):,} refused\n")
        return REFUSED if refused else OK


def _say_refusals(refused: Sequence[Done]) -> None:
    """Name each, with its remedy; of very many only the first, and how many more there are."""
    for each in refused[:SHOWN_REFUSALS]:
        if each.refusal is not None:
            say_error(str(each.refusal))
            if each.refusal.remedy:
                say_hint(each.refusal.remedy)
    if len(refused) > SHOWN_REFUSALS:
        say_error(f"and {len(refused) - SHOWN_REFUSALS:,} more; --json names them all")


def _as_planned(standings: Sequence[Standing]) -> list[Done]:
    return [Done(each.letter, None) for each in standings]


async def read_survey(settings: Settings) -> Survey:
    """Read what there is, without any key.  Raises BrokerError."""
    with EventProgress("reading dead letters", unit="records") as progress:
        return await survey_letters(
            connection_kwargs(settings), settings, on_records=lambda count: progress.advance(events=count)
        )


async def one_letter(
    settings: Settings, text: str, *, payload: bool, versions: Sequence[str]
) -> tuple[Standing, OpenedRecord | None]:
    """Return a letter, and what is in it where that was asked for.

    Raises LetterRefusedError, BrokerError, KEKError.
    """
    standing = (await read_survey(settings)).find(text, topic=settings.topic_raw)
    if not payload:
        return standing, None
    async with (
        letter_keys(settings, audit_versions=versions) as keys,
        PartitionReader(connection_kwargs(settings)) as letters,
    ):
        (answer,) = await keys.open_all(await read_sealed(letters, settings.topic_dead_letter, [standing.letter]))
    if isinstance(answer, LetterRefusedError):
        raise answer
    return standing, answer


def _counted(count: int) -> str:
    return f"{count:,} dead letter{'' if count == 1 else 's'}"


def _say_wait(seconds: float) -> None:
    sys.stderr.write(
        f"aegis: an earlier replay was interrupted; waiting {seconds:.0f} s, until nothing of it can be under way\n"
    )

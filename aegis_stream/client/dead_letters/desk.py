"""Replay and discard dead letters: one desk of a deployment at a time, and no letter twice.

Each batch is three steps: mark its letters as being replayed, write their records to the raw topic, mark them as
replayed.  A desk that is opened fences any earlier one from the marks; what that one was writing may still arrive for a
while, so letters between the first step and the third are looked at only when the while is over.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple, Self

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.client.dead_letters.batches import batches_of, read_sealed
from aegis_stream.client.dead_letters.marks import Mark, MarkState
from aegis_stream.client.dead_letters.partition_reader import PartitionReader
from aegis_stream.client.dead_letters.raw_writer import STOP_S, WRITE_S, Attempt, RawWriter, moment, new_attempt
from aegis_stream.client.dead_letters.settling import look_for_attempts
from aegis_stream.client.dead_letters.survey import LetterState
from aegis_stream.client.dead_letters.topics import survey_letters, topic_max_bytes
from aegis_stream.client.topics import preflight
from aegis_stream.errors import LetterReason, LetterRefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from types import TracebackType

    from aegis_stream.client.dead_letters.letter import Letter
    from aegis_stream.client.dead_letters.opening import LetterKeys
    from aegis_stream.client.dead_letters.survey import Standing, Survey
    from aegis_stream.settings import Settings

SETTLE_S = WRITE_S + STOP_S + 4.0
"""After so long nothing of a desk that was fenced can arrive any more."""

MARKS_AT_ONCE = 500
REPLAYABLE = {LetterState.PENDING}
AGAIN = {LetterState.PENDING, LetterState.UNCERTAIN, LetterState.DISCARDED}


class Done(NamedTuple):
    """What was done with a letter: `offset` on the raw topic, or why nothing was."""

    letter: Letter
    offset: int | None
    refusal: LetterRefusedError | None = None


class Desk:
    """An async context manager; see the module."""

    def __init__(
        self, settings: Settings, *, settle_s: float | None = None, on_wait: Callable[[float], None] | None = None
    ) -> None:
        """Connect nothing yet.

        settle_s: SETTLE_S unless nothing of an earlier desk can be under way.  on_wait: told how long it takes, where
        that is waited for.
        """
        self._settings = settings
        self._connection = connection_kwargs(settings)
        self._settle_s = SETTLE_S if settle_s is None else settle_s
        self._on_wait = on_wait
        self._stack = AsyncExitStack()
        self._partitions = 0
        self._fenced_at = 0.0
        self._recovered: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        """Look whether the topics are there, and fence an earlier desk.  Raises BrokerError."""
        settings, connection = self._settings, self._connection
        names = [settings.topic_raw, settings.topic_dead_letter, settings.topic_dead_letter_state]
        self._partitions = (await preflight(connection, topics=names))[settings.topic_raw]
        async with AsyncExitStack() as stack:
            self._marks = await stack.enter_async_context(
                ControlWriter(
                    connection,
                    settings.topic_dead_letter_state,
                    deployment=settings.deployment,
                    role="dead-letter desk",
                )
            )
            self._fenced_at = moment()
            self._letters = await stack.enter_async_context(PartitionReader(connection))
            self._log = await stack.enter_async_context(PartitionReader(connection, isolation="uncommitted"))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._stack.aclose()

    async def survey(self, *, on_records: Callable[[int], None] | None = None) -> Survey:
        """Return all letters and marks as they stand now that nobody else writes any.  Raises BrokerError."""
        return await survey_letters(self._connection, self._settings, on_records=on_records)

    async def settle(self, standings: Sequence[Standing]) -> list[Standing]:
        """Find out about those that were interrupted, waiting where need be; the others are returned as they are.

        Raises BrokerError.
        """
        interrupted = [each for each in standings if each.state is LetterState.INTERRUPTED]
        if not interrupted:
            return list(standings)
        left = self._fenced_at + self._settle_s - moment()
        if left > 0:
            if self._on_wait is not None:
                self._on_wait(left)
            await asyncio.sleep(left)
        decided = await look_for_attempts(
            self._log, interrupted, topic=self._settings.topic_raw, partitions=self._partitions, now=_now()
        )
        known = [each for each in decided if each.state is not LetterState.UNCERTAIN]
        await self._mark([(each.letter.id, None if each.mark is None else each.mark.to_bytes()) for each in known])
        by_id = {each.letter.id: each for each in decided}
        for each in known:
            if each.mark is not None and each.mark.replayed_offset is not None:
                self._recovered[each.letter.id] = each.mark.replayed_offset
        return [by_id.get(each.letter.id, each) for each in standings]

    async def replay(
        self, standings: Sequence[Standing], keys: LetterKeys, *, again: bool = False
    ) -> AsyncGenerator[list[Done], None]:
        """Write letters back, partition by partition, in the order of their sources; yields batch by batch.

        Give settled standings; what an interrupted desk had written counts as done.  again: also those that were
        discarded, or of which nobody knows whether they were replayed.
        Raises BrokerError, KEKError, KeyringStaleError; a later desk goes on from there.
        """
        known = [
            Done(each.letter, self._recovered.get(each.letter.id), refusal)
            for each in standings
            if (refusal := self._refusal(each, again)) or each.letter.id in self._recovered
        ]
        if known:
            yield known
        settled = {each.letter.id for each in known}
        fit = [each.letter for each in standings if each.letter.id not in settled]
        most = await topic_max_bytes(self._connection, self._settings.topic_raw)
        async with RawWriter(self._connection, self._settings.topic_raw, max_message_bytes=most) as writer:
            for partition, batch in batches_of(fit):
                sealed = await read_sealed(self._letters, self._settings.topic_dead_letter, batch)
                attempts: list[tuple[Letter, Attempt]] = []
                done: list[Done] = []
                for letter, opened in zip(batch, await keys.open_all(sealed), strict=True):
                    if isinstance(opened, LetterRefusedError):
                        done.append(Done(letter, None, opened))
                        continue
                    attempt = Attempt(opened, new_attempt())
                    refusal = _unwritable(letter, attempt, most)
                    if refusal is None:
                        attempts.append((letter, attempt))
                    else:
                        done.append(Done(letter, None, refusal))
                yield [*done, *await self._write(writer, partition, attempts)]

    async def discard(self, standings: Sequence[Standing], *, note: str | None = None) -> list[Done]:
        """Mark letters that wait as put aside; give settled standings.  Raises BrokerError."""
        done = [Done(each.letter, None, _not_open(each)) for each in standings]
        marks = [
            Mark(id=each.letter.id, state=MarkState.DISCARDED, at=_now(), note=note)
            for each in done
            if each.refusal is None
        ]
        await self._mark([(mark.id, mark.to_bytes()) for mark in marks])
        return done

    async def _write(self, writer: RawWriter, partition: int, attempts: Sequence[tuple[Letter, Attempt]]) -> list[Done]:
        """Take the three steps with one batch."""
        if not attempts:
            return []
        _, end = await self._log.bounds(self._settings.topic_raw, partition)
        began = moment()
        await self._mark([(letter.id, _replaying(letter, attempt, end)) for letter, attempt in attempts])
        offsets = await writer.write([attempt for _, attempt in attempts], partition=partition, before=began + WRITE_S)
        done = [Done(letter, offset) for (letter, _), offset in zip(attempts, offsets, strict=True)]
        await self._mark([(each.letter.id, _replayed(each)) for each in done])
        return done

    async def _mark(self, marks: Sequence[tuple[str, bytes | None]]) -> None:
        for start in range(0, len(marks), MARKS_AT_ONCE):
            await self._marks.write(marks[start : start + MARKS_AT_ONCE])

    def _refusal(self, standing: Standing, again: bool) -> LetterRefusedError | None:  # noqa: FBT001 - passed on
        """Return why a letter cannot be replayed, as far as can be seen without opening it."""
        letter, raw = standing.letter, self._settings.topic_raw
        if letter.id in self._recovered:
            return None
        if letter.source.topic != raw:
            return LetterRefusedError(
                LetterReason.OTHER_TOPIC, f"{letter.id} is from another topic than {raw}", remedy="see AEGIS_TOPIC_RAW"
            )
        if letter.source.partition >= self._partitions:
            return LetterRefusedError(LetterReason.NO_PARTITION, f"{letter.id}: {raw} has no such partition now")
        if standing.state is LetterState.UNCERTAIN and not again:
            return LetterRefusedError(
                LetterReason.UNCERTAIN,
                f"{letter.id}: an interrupted replay may have written it, and the raw topic no longer tells",
                remedy="`aegis dead-letters replay --again ID`, or `aegis dead-letters discard ID`",
            )
        return None if standing.state in (AGAIN if again else REPLAYABLE) else _in_state(standing)


def _not_open(standing: Standing) -> LetterRefusedError | None:
    waits = standing.state in {LetterState.PENDING, LetterState.UNCERTAIN}
    return None if waits else _in_state(standing)


def _in_state(standing: Standing) -> LetterRefusedError:
    return LetterRefusedError(LetterReason.STATE, f"{standing.letter.id}: its state is {standing.state}")


def _unwritable(letter: Letter, attempt: Attempt, most: int) -> LetterRefusedError | None:
    if attempt.record.key is None and attempt.record.value is None:
        return LetterRefusedError(LetterReason.EMPTY, f"{letter.id} holds neither key nor value")
    if attempt.size > most:
        return LetterRefusedError(
            LetterReason.TOO_LARGE,
            f"{letter.id} takes {attempt.size:,} bytes, and the raw topic no more than {most:,}",
            remedy=f"raise max.message.bytes of the raw topic to {attempt.size:,}",
        )
    return None


def _replaying(letter: Letter, attempt: Attempt, end: int) -> bytes:
    mark = Mark(id=letter.id, state=MarkState.REPLAYING, at=_now(), attempt=attempt.attempt, from_offset=end)
    return mark.to_bytes()


def _replayed(done: Done) -> bytes:
    return Mark(id=done.letter.id, state=MarkState.REPLAYED, at=_now(), replayed_offset=done.offset).to_bytes()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)

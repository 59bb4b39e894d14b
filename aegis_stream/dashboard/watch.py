"""Keeps the board up to date: follows the control topic and the dead letters, asks the enrichers."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aegis_stream.client.command_client import CommandClient
from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.tail import tail
from aegis_stream.control.differences import differences
from aegis_stream.dashboard.attention import attention_section, versions_apart
from aegis_stream.dashboard.command_view import commands_section, state_counts
from aegis_stream.dashboard.dead_letter_counts import DeadLetterCounts, MarkCounts
from aegis_stream.dashboard.enricher_watch import SAMPLES, EnricherWatch
from aegis_stream.dashboard.keyring_view import custodians_section, keyring_section, manifest_section
from aegis_stream.dashboard.trail import Seen, trail_section
from aegis_stream.encryption import RotationSchedule
from aegis_stream.errors import AegisError
from aegis_stream.plain_text import plain
from aegis_stream.settings.terms import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.dashboard.board import Board
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.settings import Settings

LOOK_S = 5.0
ASK_S = 2.0
APART_S = 20.0
LEAST_PAUSE_S = 0.5
PAUSES_A_LOOK = 5
"""A look at very many commands takes a while; then there is that many times as long between two."""
FIRST_BACKOFF_S, LAST_BACKOFF_S = 1.0, 30.0

_log = logging.getLogger("aegis_stream.dashboard")


class Watch:
    """Run `run` beside the server."""

    def __init__(self, settings: Settings, board: Board, *, enrichers: Sequence[str]) -> None:
        """Follow the topics of `settings` and ask `enrichers` (http://host:port).

        Raises ConfigurationError, KeyRefusedError: what it takes to follow the control topic is missing or not sound.
        """
        CommandClient(settings)  # the same errors as later, but before anything is served
        self._settings = settings
        self._board = board
        self._enrichers = [EnricherWatch(address) for address in enrichers]
        self._schedule = RotationSchedule.parse(settings.rotation_interval, jitter_s=settings.rotation_jitter_s)
        self._seen = Seen()
        self._manifest: Manifest | None = None
        self._apart_since_s: float | None = None
        self._history: deque[tuple[float, float]] = deque(maxlen=SAMPLES)
        board.put("control", {"state": "starting", "problem": "", "remedy": ""})

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_control())
            group.create_task(self._count_dead_letters())
            group.create_task(self._count_marks())
            if self._enrichers:
                group.create_task(self._ask_enrichers())

    async def _follow_control(self) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                async with CommandClient(self._settings) as client:
                    backoff_s = FIRST_BACKOFF_S
                    while True:
                        began_s = time.monotonic()
                        self._show(client)
                        took_s = time.monotonic() - began_s
                        await asyncio.sleep(max(LEAST_PAUSE_S, PAUSES_A_LOOK * took_s))
                        await client.wait_moved(LOOK_S)
            except AegisError as error:
                self._tell_control("away", error)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)

    def _show(self, client: CommandClient) -> None:
        manifest, now, board = client.manifest, dt.datetime.now(dt.UTC), self._board
        standings = client.standings()
        self._note_changes(manifest, now)
        self._tell_control("following" if client.problem is None else "away", client.problem)
        board.put("manifest", manifest_section(client.keyring, manifest, schedule=self._schedule, now=now))
        board.put("keyring", keyring_section(client.keyring, manifest, now=now))
        board.put("custodians", custodians_section(manifest))
        terms = terms_of(self._settings)
        board.put(
            "commands", commands_section(standings, manifest=manifest, records=client.records, terms=terms, now=now)
        )
        board.put("dek_states", dict(Counter(entry.state.value for entry in manifest.deks)))
        board.put("command_states", state_counts(standings))
        refused = {reason.value: count for reason, count in sorted(client.keyring.refused.items()) if count}
        board.put("refused", {"records": refused, "commands": _counts(client.not_taken)})
        board.put("trail", trail_section(standings, manifest, self._seen))
        self._look()

    def _note_changes(self, manifest: Manifest, now: dt.datetime) -> None:
        before, self._manifest = self._manifest, manifest
        if before is not None and before.substance() != manifest.substance():
            for line in differences(before, manifest):
                self._seen.note(f"{line} (manifest {manifest.sequence})", at=now)

    def _tell_control(self, state: str, problem: AegisError | None) -> None:
        told = {"state": state, "problem": "", "remedy": ""}
        if problem is not None:
            told |= {"problem": plain(str(problem)), "remedy": plain(problem.remedy)}
        if self._board.put("control", told) and problem is not None:
            _log.warning("control topic: %s", problem)
        self._look()

    def _look(self) -> None:
        """Put up what needs attention; a rotation reaches every enricher a few seconds later, which does not."""
        sections = self._board.since()
        if not versions_apart(sections):
            self._apart_since_s = None
        elif self._apart_since_s is None:
            self._apart_since_s = time.monotonic()
        apart = self._apart_since_s is not None and time.monotonic() - self._apart_since_s > APART_S
        self._board.put("attention", attention_section({**sections, "apart": apart}))

    async def _count_dead_letters(self) -> None:
        while True:
            counts = DeadLetterCounts()
            try:
                connection = connection_kwargs(self._settings)
                async for found in tail(connection, self._settings.topic_dead_letter):
                    for letter in found.records:
                        counts.note(letter)
                    self._put_letters(counts, behind=found.behind)
            except AegisError as error:
                self._put_letters(counts, problem=plain(str(error)), remedy=plain(error.remedy))
            await asyncio.sleep(LAST_BACKOFF_S / 2)

    async def _count_marks(self) -> None:
        while True:
            counts = MarkCounts()
            with suppress(AegisError):  # without them the page says less, and what is wrong shows elsewhere
                async for found in tail(connection_kwargs(self._settings), self._settings.topic_dead_letter_state):
                    for record in found.records:
                        counts.note(record)
                    self._board.put("marks", counts.shape())
            await asyncio.sleep(LAST_BACKOFF_S)

    def _put_letters(self, counts: DeadLetterCounts, *, behind: int = 0, problem: str = "", remedy: str = "") -> None:
        self._board.put("dead_letters", {**counts.shape(), "behind": behind, "problem": problem, "remedy": remedy})
        self._look()

    async def _ask_enrichers(self) -> None:
        while True:
            before = [(each.up, each.reading is not None and each.reading.version) for each in self._enrichers]
            await asyncio.gather(*(each.ask() for each in self._enrichers))
            self._note_enrichers(before)
            shapes = [each.shape() for each in self._enrichers]
            self._board.put("enrichers", shapes)
            self._board.put("traffic", self._traffic(shapes))
            self._look()
            await asyncio.sleep(ASK_S)

    def _note_enrichers(self, before: Sequence[tuple[bool, str | bool]]) -> None:
        now = dt.datetime.now(dt.UTC)
        for (was_up, version), each in zip(before, self._enrichers, strict=True):
            if was_up != each.up and each.reading is not None:
                self._seen.note(f"enricher {each.address} {'answers' if each.up else 'is away'}", at=now)
            if version and each.reading is not None and each.reading.version != version:
                self._seen.note(f"enricher {each.address} writes under {each.reading.version}", at=now)

    def _traffic(self, shapes: Sequence[dict[str, Any]]) -> dict[str, Any]:
        events = sum(each["events_per_s"] for each in shapes)
        fields = sum(each["fields_per_s"] for each in shapes)
        self._history.append((events, fields))
        refused: Counter[str] = Counter()
        for each in shapes:
            refused.update(each["refused"])
        return {
            "events_per_s": round(events, 1),
            "fields_per_s": round(fields, 1),
            "lag": sum(each["lag"] for each in shapes if each["up"]),
            "refused": dict(sorted(refused.items())),
            "history": [round(each, 1) for each, _ in self._history],
            "step_s": ASK_S,
        }


def _counts(counter: Counter[Any]) -> dict[str, int]:
    return {reason.value: count for reason, count in sorted(counter.items())}

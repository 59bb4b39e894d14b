"""The control topic as the rotation agent writes it: whole changes, the state file around each, and nothing foreign.

Before a change the state file says what is about to be published, and after it that it is; both are synced.  So whoever
is killed in between goes on from the topic, above every sequence that may have been seen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import structlog

from aegis_stream.keyring.dek_record import record_sha256
from aegis_stream.keyring.guard import RecordGuard
from aegis_stream.keyring.state_file import KnownState

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.client.control_writer import ControlWriter
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.state_file import StateFile

HEAL_PAUSE_S = 0.1

_log = structlog.get_logger(__name__)


class Ledger:
    """What one agent has written and what others wrote over it; `published` and `overwritten` count both."""

    def __init__(self, state_file: StateFile, *, clock: Callable[[], dt.datetime]) -> None:
        """Read the state file.  Raises ConfigurationError: it is damaged."""
        self.overwritten: Counter[str] = Counter()
        self.published = 0
        self.state = state_file.load()
        self._state_file = state_file
        self._clock = clock
        self._guard = RecordGuard()
        self._last_offset = -1
        self._beginning = 0

    def saw(self, key: str, value: bytes | None, offset: int) -> None:
        """Note what stands last under a key that is the agent's alone."""
        self._guard.saw(key, value, offset)

    def note_beginning(self, offset: int) -> None:
        """Note the first offset that the topic still holds; what stood below is written again by `heal`."""
        if offset > self._beginning:
            _log.warning("records of the control topic were deleted", below_offset=offset)
            self._guard.forget_below(offset)
        self._beginning = offset

    async def publish(
        self,
        writer: ControlWriter,
        change: Change,
        keyring: Keyring,
        also: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Write a change as one transaction, with `also` before its manifest, which stays the last record."""
        await self._store(KnownState(self.state.published, change.known))
        await self.write(writer, [*change.writes[:-1], *also, change.writes[-1]], keyring)
        self.published += 1
        await self._store(KnownState(change.known))
        _log.info(
            "published",
            sequence=change.manifest.sequence,
            active_version=change.manifest.active.version.text,
            expires_at=change.manifest.expires_at.isoformat(),
            records=len(change.writes) + len(also),
        )

    async def write(self, writer: ControlWriter, writes: Sequence[tuple[str, bytes | None]], keyring: Keyring) -> None:
        """Write one transaction, and let the keyring know what it says without waiting to read it."""
        offsets = await writer.write(writes)
        if offsets[0] < self._last_offset:
            _log.warning("the control topic was made anew; every record is put back", offset=offsets[0])
            self._guard.start_over()
            self._beginning = 0
        self._last_offset = offsets[-1]
        for (key, value), offset in zip(writes, offsets, strict=True):
            keyring.offer(key, value, now=self._clock())
            self.saw(key, value, offset)

    async def heal(self, writer: ControlWriter, genuine: Mapping[str, bytes], keyring: Keyring) -> None:
        """Write the genuine records again where something else stands last."""
        self._guard.forget_others(genuine)
        wrong = self._guard.overwritten(genuine)
        if not wrong:
            return
        await self.write(writer, wrong, keyring)
        for key, value in wrong:
            self.overwritten[key] += 1
            _log.warning("somebody wrote over a record; it is put right", key=key, sha256=record_sha256(value))
        await asyncio.sleep(HEAL_PAUSE_S)  # a flood must not keep the agent from its own work

    async def _store(self, state: KnownState) -> None:
        self.state = state
        await asyncio.to_thread(self._state_file.store, state)

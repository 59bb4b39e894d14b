"""Follow the control topic: read it from the beginning to its end, then stay on it.

A follower is in no consumer group: every process reads all.  Records are offered to the keyring in their order, and
what it refuses is counted there and logged here without a byte of it.  See docs/control-topic.md, "Reading it".
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, Self

from aegis_stream.client.control_session import ControlRecord, ControlSession
from aegis_stream.errors import (
    AegisError,
    BrokerError,
    BrokerReason,
    BrokerUnavailableError,
    ConfigurationError,
    ManifestRefusedError,
)
from aegis_stream.keyring.dek_record import DEK_PREFIX, record_sha256
from aegis_stream.keyring.state_file import KnownSequence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.keyring.state_file import StateFile

FIRST_BACKOFF_S = 0.2
LAST_BACKOFF_S = 15.0

_log = logging.getLogger("aegis_stream.control")


class ControlFollower:
    """Keeps a keyring up to date; an async context manager.

    Impatient, it fails where the topic cannot be read, and `wait_…` raise that; patient, it tries again, less and less
    often, and `problem` says why it does not read.  A follower that was at the end once is patient from then on.
    """

    def __init__(  # noqa: PLR0913 - seams of one shell, all by keyword
        self,
        keyring: Keyring,
        *,
        connection: Mapping[str, Any],
        topic: str,
        patient: bool = False,
        state_file: StateFile | None = None,
        on_change: Callable[[], None] | None = None,
        on_record: Callable[[ControlRecord], None] | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        unfit: bool = False,
    ) -> None:
        """Nothing is connected yet.

        connection: keyword arguments of an aiokafka client.  state_file: where the newest manifest's sequence is kept.
        on_change: called when the keyring's view is a new one; on_record: for every record, after it was offered.
        unfit: as `ControlSession.open`.
        """
        self.keyring = keyring
        self.problem: AegisError | None = None
        self._connection = connection
        self._topic = topic
        self._patient = patient
        self._state_file = state_file
        self._on_change = on_change
        self._on_record = on_record
        self._clock = clock
        self._unfit = unfit
        self._task: asyncio.Task[None] | None = None
        self._session: ControlSession | None = None
        self._position = 0
        self._at_end = False
        self._searched_at = -1
        self._moved = asyncio.Event()
        self._reading_to_end = asyncio.Lock()
        self._reads_begun = 0
        self._reads_ended = 0

    async def __aenter__(self) -> Self:
        """Begin to follow; returns at once."""
        self._task = asyncio.create_task(self._follow(), name=f"follow {self._topic}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def at_end(self) -> bool:
        """Whether the end that the topic had at the start has been reached."""
        return self._at_end

    async def wait_end(self, timeout_s: float) -> None:
        """Return once the topic has been read to the end that it had at the start, whatever stands there.

        Raises BrokerError: the topic is not fit, or cannot be read (BrokerUnavailableError, also after `timeout_s`).
        """
        await self._until(lambda: self._at_end, timeout_s)

    async def wait_ready(self, timeout_s: float) -> None:
        """Return once the topic has been read to its end and there is a manifest that can be relied on.

        Raises as `wait_end`.  Where there is none, patient followers go on waiting; others raise the last refusal of a
        manifest (ManifestRefusedError), or BrokerError(CONTROL_EMPTY) where none was ever written.
        """
        await self._until(lambda: self._at_end and (not self._patient or self._usable()), timeout_s)
        if not self._usable():
            self._refuse_without_manifest()

    async def wait_manifest(self, timeout_s: float) -> Manifest:
        """Read the topic to its end and return the manifest, however old, to be shown.

        Raises as `wait_ready` of an impatient follower.
        """
        await self.wait_end(timeout_s)
        return self.keyring.manifest or self._refuse_without_manifest()

    def _refuse_without_manifest(self) -> NoReturn:
        refusal = self.keyring.last_refusal
        if refusal is not None:
            raise refusal
        raise BrokerError(
            BrokerReason.CONTROL_EMPTY,
            f"there is no manifest on {self._topic}",
            remedy="run `aegis keys init` once for each deployment, then `aegis run rotator`",
        )

    async def beginning(self) -> int:
        """Return the offset of the first record that the topic still holds, 0 while it is not being read.

        Raises BrokerUnavailableError.
        """
        return 0 if self._session is None else await self._session.beginning()

    async def join(self) -> None:
        """Return when the follower stops: impatient after a failure, patient only after a defect, which this raises."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def refresh(self, timeout_s: float = 10.0) -> None:
        """Read the topic to its present end, which is where any version that is in use is made known.

        One read at a time; a caller shares one only if it began after the call.  Raises BrokerError and
        BrokerUnavailableError, also after `timeout_s`.
        """
        asked = self._reads_begun
        try:
            async with asyncio.timeout(timeout_s), self._reading_to_end:
                if self._reads_ended > asked:
                    return
                self._reads_begun += 1
                number = self._reads_begun
                await self._until(lambda: self._session is not None, timeout_s)
                end = await self._session.end() if self._session is not None else 0
                await self._until(lambda: self._position >= end, timeout_s)
                self._reads_ended = number
                return
        except TimeoutError:
            pass
        raise self._timed_out(timeout_s)

    def _usable(self) -> bool:
        return self._clock().timestamp() < self.keyring.view.usable_until

    async def _until(self, reached: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something that the reading task brings about, or for its failure."""
        try:
            async with asyncio.timeout(timeout_s):
                while not reached():
                    if self._task is None or self._task.done():
                        break
                    await self._moved.wait()
                else:
                    return
        except TimeoutError:
            raise self._timed_out(timeout_s) from None
        if self._task is not None and not self._task.cancelled():
            self._task.result()  # a defect of ours keeps its traceback
        raise self.problem or BrokerUnavailableError(BrokerReason.UNREACHABLE, f"nobody follows {self._topic}")

    def _timed_out(self, timeout_s: float) -> BrokerUnavailableError:
        why = self.problem or self.keyring.last_refusal
        return BrokerUnavailableError(
            BrokerReason.TIMEOUT,
            f"{self._topic} was not read to its end within {timeout_s:g} s" + (f"; {why}" if why else ""),
            remedy=why.remedy if why else "look whether the broker is healthy",
        )

    def _notify(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    async def _follow(self) -> None:
        """Read for ever, connecting anew after failures."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            began = self._position
            try:
                await self._read()
            except AegisError as error:
                self.problem = error
            finally:
                self._session = None
                self._notify()
            if not self._patient and not self._at_end:
                return
            if self._position != began:
                backoff_s = FIRST_BACKOFF_S
            _log.warning("control topic %s: %s; trying again in %.1f s", self._topic, self.problem, backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, LAST_BACKOFF_S)

    async def _read(self) -> None:
        """Read from where the follower stands until something fails."""
        start = self._position if self._at_end else None
        session = await ControlSession.open(self._connection, self._topic, position=start, unfit=self._unfit)
        try:
            first_end = await session.end()
            self._session, self.problem = session, None
            while True:
                records, position = await session.read()
                await self._offer_all(records)
                if position >= first_end:
                    position = await self._search_missing(session, position)
                    self._reach_end(position)
                if position < self._position:
                    _log.warning("control topic %s: it was cut off or made anew", self._topic)
                self._position = position
                self._notify()
        finally:
            await session.close()

    async def _search_missing(self, session: ControlSession, end: int) -> int:
        """Read once more where a record that the manifest names is not there; returns the position reached.

        On the first way nothing said which values to keep, so somebody may have flooded them away.
        """
        if not self.keyring.missing() or self._searched_at == self.keyring.generation:
            return end
        self._searched_at = self.keyring.generation
        _log.warning("control topic %s: no record of %s; searching", self._topic, ", ".join(self.keyring.missing()))
        await session.rewind()
        async for records in session.read_to(end):
            await self._offer_all(
                [record for record in records if record.offset >= end or (record.key or "").startswith(DEK_PREFIX)]
            )
        return session.position

    def _reach_end(self, position: int) -> None:
        if not self._at_end:
            self._at_end = True
            self.keyring.forget_history()
            _log.info("control topic %s: read to its end, offset %d", self._topic, position)

    async def _offer_all(self, records: list[ControlRecord]) -> None:
        before = self.keyring.view
        for record in records:
            try:
                self.keyring.offer(record.key, record.value, now=self._clock())
            except ManifestRefusedError as refusal:
                level = logging.WARNING if self._at_end else logging.INFO
                _log.log(level, "control topic %s, offset %d: %s", self._topic, record.offset, refusal)
            if self._on_record is not None:
                self._on_record(record)
        view = self.keyring.view
        if view is before:
            return
        if view.manifest is not None and self._state_file is not None:
            known = KnownSequence(view.manifest.sequence, record_sha256(view.value))
            await asyncio.to_thread(self._remember, self._state_file, known)
        if self._on_change is not None:
            self._on_change()

    def _remember(self, state_file: StateFile, known: KnownSequence) -> None:
        """Keep the sequence on disk; a follower without a disk goes on without it."""
        try:
            state_file.raise_to(known)
        except ConfigurationError as error:
            self._state_file = None
            _log.warning("%s: a control topic that is rolled back will not be noticed after a restart", error)

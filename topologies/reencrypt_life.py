"""One life of the re-encryptor: from the committed offsets to the end of what was asked for, a transaction a batch."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import structlog

from aegis_stream.client.log_reader import LogReader
from aegis_stream.client.opening import Opening
from aegis_stream.client.spans import OPEN, Span
from aegis_stream.encryption import PIIDecryptor
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.wire import DekVersion
from topologies.recrypt import Fate, Recrypter
from topologies.reencrypt_account import Account, Task
from topologies.reencrypt_job import Job, stored_marks, task_of
from topologies.reencrypt_writer import HistoryWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.client.follow import ControlFollower
    from aegis_stream.client.spans import Bound
    from aegis_stream.kek import KEKProvider
    from aegis_stream.pii import Policy
    from topologies.batches import SizeLimits
    from topologies.recrypt import Outcome
    from topologies.writer import Writer
    from topologies.writers import KeyringWriters

LOOK_EVERY_S = 0.2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for.

    below: events of versions below it are encrypted anew; None: below the active version of the job's first start.
    since: concerns the first start alone.  batch: the most records of one transaction.  max_rate: events a second.
    """

    source: str
    target: str
    refused_topic: str
    below: DekVersion | None = None
    since: Bound = OPEN
    until: Bound = OPEN
    batch: int = 2_000
    max_rate: float | None = None


class Life:
    """An async context manager; `run` reads, writes and commits until there is no more, or until it is stopped."""

    def __init__(  # noqa: PLR0913 - the parts that reencrypt.py puts together, all by name
        self,
        *,
        plan: Plan,
        name: str,
        connection: Mapping[str, Any],
        follower: ControlFollower,
        writers: KeyringWriters,
        keks: Sequence[KEKProvider],
        limits: SizeLimits,
        engine: str,
        compression: str,
        control_wait_s: float,
        on_progress: Callable[[Account], None],
    ) -> None:
        """Connect nothing yet.  name: of consumer group and transactional id."""
        self._plan, self._name = plan, name
        self._connection = dict(connection)
        self._follower, self._writers = follower, writers
        self._limits = limits
        self._on_progress = on_progress
        self._decryptor = PIIDecryptor(ReaderKeys(follower.keyring, keks), engine=engine)
        self._opening = Opening(self._decryptor, refresh_keys=follower.refresh, wait_s=control_wait_s)
        self._reader = LogReader(connection, plan.source, max_records=plan.batch)
        self._writer = HistoryWriter(
            connection,
            name=name,
            target=plan.target,
            refused_topic=plan.refused_topic,
            limits=limits,
            compression=compression,
        )
        self._under: list[str] = []
        self._not_before = 0.0
        self._spans: dict[int, Span] = {}
        self.committed = False

    async def __aenter__(self) -> Self:
        """Connect.  The producer comes first: it ends what an earlier life left open, and fences that one.

        Raises BrokerError, BrokerUnavailableError.
        """
        await self._writer.__aenter__()
        try:
            await self._reader.__aenter__()
        except BaseException:
            await self._writer.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; what was not committed is written by the next life."""
        await self._reader.__aexit__(None, None, None)
        await self._writer.__aexit__()

    async def run(self, stop: asyncio.Event) -> Account:
        """Work until all is done or `stop` is set; returns the account.

        Raises ConfigurationError, BrokerError, KEKError, KeyringStaleError.
        """
        self._job = job = await self._begin()
        recrypter = Recrypter(
            below=DekVersion.parse(job.task.below),
            opening=self._opening,
            decryptor=self._decryptor,
            policy_of=self._policy_of,
            limits=self._limits,
        )
        await self._reader.begin(self._left())
        self._on_progress(self._account())
        while not self._reader.finished and not stop.is_set():
            writer = await self._usable_writer(stop)
            if writer is None:
                break
            records = await self._reader.fetch()
            outcomes = await recrypter.recrypt(records, writer) if records else []
            self._note(records, outcomes, writer)
            if records or self._reader.finished:
                await self._write(records, outcomes)
                self._on_progress(self._account())
                await self._keep_rate(len(records), stop)
        return self._account()

    async def _begin(self) -> Job:
        """Find the job on the broker, or begin it: a transaction of its offsets alone, before any record is written."""
        plan, held = self._plan, await self._reader.available()
        marks = await stored_marks(self._connection, self._name, plan.source, len(held))
        if marks:
            below = None if plan.below is None else plan.below.text
            job = Job(self._name, task_of(marks, source=plan.source, below=below, target=plan.target))
            for number, span in held.items():
                if number in marks:
                    position, mark = marks[number]
                    job.resume(number, position, mark.tally, span)
                else:  # the topic has got more partitions
                    job.start(number, span.begin)
        else:
            await self._must_be_empty()
            active = await self._active_version()
            job = Job(self._name, Task(source=plan.source, below=(plan.below or active).text))
            for number, span in (await self._reader.spans(since=plan.since, until=OPEN)).items():
                job.start(number, span.begin)
        active = await self._active_version()
        if DekVersion.parse(job.task.below).n > active.n:
            raise ConfigurationError(
                f"--below {job.task.below} is above the active version {active}",
                remedy="events are encrypted under the active version: name it, or one below",
            )
        ends = await self._reader.spans(since=OPEN, until=plan.until)
        self._spans = {
            number: Span(position, max(position, ends[number].end)) for number, position in job.positions.items()
        }
        self._job = job
        await self._write([], [])
        _log.info("begun", job=self._name, below=job.task.below, records=self._account().left)
        return job

    async def _must_be_empty(self) -> None:
        """Refuse a new topic that holds anything: what is there may be what a job whose offsets are gone has written.

        Raises BrokerError(TOPIC_SETTINGS).
        """
        async with LogReader(self._connection, self._plan.target) as target:
            held = await target.available()
        if any(span.begin < span.end for span in held.values()):
            raise BrokerError(
                BrokerReason.TOPIC_SETTINGS,
                f"{self._plan.target} holds records, and its group no offsets of this job",
                remedy="begin with a new, empty topic: `aegis history prepare`",
            )

    async def _active_version(self) -> DekVersion:
        manifest = self._follower.keyring.manifest
        if manifest is None:
            raise BrokerError(BrokerReason.CONTROL_EMPTY, "there is no manifest that can be believed")
        return manifest.active.version

    def _policy_of(self, version: str) -> Policy:
        manifest = self._follower.keyring.manifest
        entry = None if manifest is None else manifest.dek(version)
        if manifest is None or entry is None:
            raise BrokerError(BrokerReason.CONTROL_EMPTY, f"the manifest has lost {version}")
        return manifest.policy_of(entry)

    def _left(self) -> dict[int, Span]:
        return {number: Span(self._job.positions[number], span.end) for number, span in self._spans.items()}

    async def _usable_writer(self, stop: asyncio.Event) -> Writer | None:
        """Return the writer of the active DEK, once it may be used; None where the process is to stop."""
        while (writer := self._writers.current()) is None:
            if stop.is_set():
                return None
            await asyncio.sleep(LOOK_EVERY_S)
        return writer

    def _note(self, records: Sequence[ConsumerRecord], outcomes: Sequence[Outcome], writer: Writer) -> None:
        """Move positions and tallies on; they count once they are committed."""
        for record, outcome in zip(records, outcomes, strict=True):
            tally = self._job.tallies[record.partition]
            tally.read += 1
            if outcome.fate is Fate.KEPT:
                tally.kept += 1
            elif outcome.fate is Fate.REENCRYPTED:
                tally.reencrypted += 1
            else:
                tally.refused[outcome.reason] += 1
        if any(outcome.fate is Fate.REENCRYPTED for outcome in outcomes) and writer.dek_version not in self._under:
            self._under.append(writer.dek_version)
        self._job.positions.update(self._reader.positions)

    async def _write(self, records: Sequence[ConsumerRecord], outcomes: Sequence[Outcome]) -> None:
        await self._writer.write(records, outcomes, self._job)
        self.committed = True

    def _account(self) -> Account:
        job = self._job
        return Account(
            task=job.task,
            target=self._plan.target,
            refused_topic=self._plan.refused_topic,
            tallies=job.tallies,
            positions=job.positions,
            spans=self._spans,
            under=tuple(self._under),
        )

    async def _keep_rate(self, events: int, stop: asyncio.Event) -> None:
        """Wait until so many events a second are not exceeded; time that was lost is not made up for."""
        if self._plan.max_rate is not None:
            now = time.monotonic()
            self._not_before = max(self._not_before, now) + events / self._plan.max_rate
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._not_before - now)

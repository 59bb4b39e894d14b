"""One life of the rotation agent: carries out commands and the schedule, and puts right what others overwrite.

It reads its state back from the control topic, so it keeps no database; what it writes is decided by
aegis_stream.control and made by DEKRotator.  It holds its own signing key and no private key of a KEK.  A life:

1. begin the transactional writer, which ends what a predecessor left open and fences it;
2. read the topic to its end, and refuse to go on below what the state file knows;
3. publish a fresh manifest, and read the topic once more for the commands (which signatures count is told by the
   manifest, and compaction leaves that behind them);
4. then, whenever something comes in or is due: answer a foreign record under `manifest`, a DEK record's or an answer's
   key with the genuine one; decide commands; let custodians' keys take over whose wait is over; rotate by the
   schedule; sign a fresh manifest.

Each change is one transaction: DEK records, tombstones of merged rewraps, the answer, and the manifest last.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any

import structlog

from aegis_stream.client.control_session import ControlSession
from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.client.follow import ControlFollower
from aegis_stream.client.topics.compaction import cleared_after
from aegis_stream.control import TopicKey
from aegis_stream.encryption import DEKRotator
from aegis_stream.errors import AegisError, CommandRefusedError
from aegis_stream.keyring.dek_record import DEK_PREFIX
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.maker import LIFE_S
from aegis_stream.keyring.manifest import MANIFEST_KEY
from topologies.command_desk import CommandDesk
from topologies.ledger import Ledger
from topologies.topic_left import in_force, judge_start, require_current_signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aegis_stream.client.control_session import ControlRecord
    from aegis_stream.control import Decision, Result, Terms
    from aegis_stream.encryption import RotationSchedule
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.keyring.state_file import StateFile
    from aegis_stream.signature import AgentSigner

INTERVAL_S = 300.0
READ_S = 120.0
LOOK_EVERY_S = 30.0
"""The longest wait on the loop's clock for a time of day: the machine's clock may be set meanwhile."""
SCHEDULE_AGAIN = dt.timedelta(hours=1)
"""After a rotation by the schedule that was not possible."""

_RESULT_PREFIX = f"{Kind.RESULT}/"

_log = structlog.get_logger(__name__)


class RotationAgent:
    """One life of the agent, from its start to a failure or to `stop`; make a new one after a failure."""

    def __init__(  # noqa: PLR0913 - what a deployment's agent is told, all by keyword
        self,
        *,
        deployment: str,
        signer: AgentSigner,
        connection: Mapping[str, Any],
        topic: str,
        state_file: StateFile,
        agent_keys: Iterable[bytes] = (),
        life_s: int = LIFE_S,
        interval_s: float = INTERVAL_S,
        schedule: RotationSchedule | None = None,
        terms: Terms | None = None,
        accept_rollback: int | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Nothing is connected yet; counters say what was done.

        `published`: manifests; `answered`: results, by outcome; `overwritten`: records put right, by key; `ignored`:
        records about commands that do not count, by reason.  `ready`: it has read everything.

        agent_keys: public keys that manifests are taken from besides its own.  schedule: quarterly without one.
        accept_rollback: the sequence at which the topic stands, where it may stand below what the state file knows.

        Raises ConfigurationError: the state file is damaged; KeyRefusedError: an agent key is not sound.
        """
        self.answered: Counter[str] = Counter()
        self._deployment = deployment
        self._signer = signer
        self._connection = connection
        self._topic = topic
        self._ledger = Ledger(state_file, clock=clock)
        self._accept_rollback = accept_rollback
        self._interval_s = interval_s
        self._clock = clock
        self._rotator = DEKRotator(signer, schedule=schedule, life_s=life_s, terms=terms)
        self._desk = CommandDesk(terms=self._rotator.terms)
        self._woken = asyncio.Event()
        self._late: list[ControlRecord] | None = []
        self._fresh_due = 0.0
        self.ready = False
        self._schedule_from: dt.datetime | None = None
        self.ignored = self._desk.ignored
        self.overwritten = self._ledger.overwritten
        self.keyring = Keyring(
            deployment=deployment,
            agent_keys=[signer.public, *agent_keys],
            known=None if accept_rollback is not None else self._ledger.state.published,
            accept_expired=True,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set.

        Raises BrokerUnavailableError: begin a new life later.  BrokerError(FENCED): another agent has taken over.
        BrokerError(CONTROL_EMPTY), ManifestRefusedError, ConfigurationError: the topic is not the one this agent left,
        or not its own any more; an operator must look.
        """
        follower = ControlFollower(
            self.keyring, connection=self._connection, topic=self._topic, on_record=self._saw, clock=self._clock
        )
        writer = ControlWriter(self._connection, self._topic, deployment=self._deployment)
        async with writer, follower:
            await follower.wait_end(READ_S)
            self._desk.set_brokers_clear(await cleared_after(self._connection, self._topic))
            manifest = judge_start(
                self.keyring,
                topic=self._topic,
                known=self._ledger.state.published,
                accept_rollback=self._accept_rollback,
            )
            require_current_signer(manifest, self._signer)
            self._tell_start(manifest)
            highest = self._ledger.state.highest_sequence
            await self._publish(writer, self._rotator.fresh(manifest, now=self._clock(), above=highest))
            await self._read_commands()
            while not stop.is_set():
                self._woken.clear()
                await self._ledger.heal(writer, self._genuine(), self.keyring)
                await self._serve(writer)
                if asyncio.get_running_loop().time() >= self._fresh_due:
                    await self._publish(writer, self._rotator.fresh(self._in_force(), now=self._clock()))
                    self._ledger.note_beginning(await follower.beginning())
                await self._wait(stop, follower)
        _log.info("stopped", sequence=self._in_force().sequence)

    @property
    def published(self) -> int:
        """How many manifests it has published."""
        return self._ledger.published

    def _in_force(self) -> Manifest:
        return in_force(self.keyring, topic=self._topic)

    def _tell_start(self, manifest: Manifest) -> None:
        for version in self.keyring.missing():
            _log.error("a DEK record is lost", dek_version=version, remedy="`aegis keys restore` puts it back")
        due = self._rotator.due_at(manifest)
        _log.info(
            "started",
            deployment=self._deployment,
            sequence=manifest.sequence,
            active_version=manifest.active.version.text,
            rotation_due=None if due is None else due.isoformat(),
            agent=self._signer.key_id,
        )

    async def _read_commands(self) -> None:
        """Read everything once more, now that the manifest says whose signatures count; then take what came meanwhile.

        Nothing is decided before: a veto may stand further down than what it forbids.
        """
        session = await ControlSession.open(self._connection, self._topic, position=None)
        try:
            async for records in session.read_to(await session.end()):
                for record in records:
                    self._take(record, live=False)
        finally:
            await session.close()
        self.ready = True
        late, self._late = self._late or [], None
        for record in late:
            if record.offset >= session.position:
                self._take(record, live=True)

    def _saw(self, record: ControlRecord) -> None:
        """Take a record of the follower's; commands that come before they can be judged wait."""
        key = record.key or ""
        if key == MANIFEST_KEY or key.startswith((DEK_PREFIX, _RESULT_PREFIX)):
            self._ledger.saw(key, record.value, record.offset)
            self._woken.set()
        if TopicKey.parse(key) is None:
            return
        if self._late is None:
            self._take(record, live=True)
        elif self.published:
            self._late.append(record)

    def _take(self, record: ControlRecord, *, live: bool) -> None:
        if record.key is not None and self._desk.offer(record.key, record.value, manifest=self._in_force(), live=live):
            self._woken.set()

    async def _serve(self, writer: ControlWriter) -> None:
        """Do everything that can be done now: commands first, so that what waits for a veto is still decided by it."""
        while True:
            now, manifest = self._clock(), self._in_force()
            decision = self._desk.next_decision(manifest=manifest, records=self.keyring.view.records, now=now)
            if decision is None:
                break
            await self._carry_out(writer, decision)
        settled = self._rotator.settle(self._in_force(), now=self._clock())
        if settled is not None:
            await self._publish(writer, settled)
        await self._keep_schedule(writer)

    async def _carry_out(self, writer: ControlWriter, decision: Decision) -> None:
        """Publish a change with its answer, or the answer alone."""
        change = self._rotator.carry_out(decision, self._in_force(), now=self._clock())
        result = decision.result if change is None else decision.stamped(change.manifest.sequence)
        key, value = TopicKey(Kind.RESULT, result.id).text, self._rotator.sign_result(result)
        answer: list[tuple[str, bytes | None]] = [*((gone, None) for gone in decision.tombstones), (key, value)]
        if change is None:
            await self._ledger.write(writer, answer, self.keyring)
        else:
            await self._publish(writer, change, answer)
        self._desk.answered(result, value)
        self.answered[result.outcome.value] += 1
        _tell_answer(result)
        require_current_signer(self._in_force(), self._signer)

    async def _keep_schedule(self, writer: ControlWriter) -> None:
        """Rotate where the active DEK's time is over, by the code of `rotate-dek`."""
        due, now = self._schedule_due(), self._clock()
        if due is None or now < due:
            return
        try:
            change = self._rotator.rotate(self._in_force(), now=now)
        except CommandRefusedError as refusal:
            self._schedule_from = now + SCHEDULE_AGAIN
            _log.error("not rotated by the schedule", why=str(refusal), remedy=refusal.remedy)
            return
        await self._publish(writer, change)
        _log.info("rotated by the schedule", active_version=change.manifest.active.version.text, due=due.isoformat())

    def _schedule_due(self) -> dt.datetime | None:
        due = self._rotator.due_at(self._in_force())
        return due if due is None or self._schedule_from is None else max(due, self._schedule_from)

    async def _publish(
        self, writer: ControlWriter, change: Change, also: Sequence[tuple[str, bytes | None]] = ()
    ) -> None:
        await self._ledger.publish(writer, change, self.keyring, also)
        self._fresh_due = asyncio.get_running_loop().time() + self._interval_s

    def _genuine(self) -> dict[str, bytes]:
        """Return what must stand last under each key that is the agent's alone."""
        manifest = self._in_force()
        genuine = {MANIFEST_KEY: self.keyring.view.value, **self._desk.genuine(manifest)}
        for entry in manifest.deks:
            value = self.keyring.record_value(entry.version.text)
            if value is not None:
                genuine[DEK_PREFIX + entry.version.text] = value
        return genuine

    async def _wait(self, stop: asyncio.Event, follower: ControlFollower) -> None:
        """Return when something is due, or earlier: to stop, or because a record came in."""
        waits = [asyncio.ensure_future(wait) for wait in (stop.wait(), self._woken.wait(), follower.join())]
        try:
            await asyncio.wait(waits, timeout=self._idle_s(), return_when=asyncio.FIRST_COMPLETED)
            if waits[2].done():
                waits[2].result()
                raise follower.problem or AegisError("the follower of the control topic has stopped")
        finally:
            for wait in waits:
                wait.cancel()

    def _idle_s(self) -> float:
        """Return for how long nothing is due."""
        dates = [when for when in (self._schedule_due(), self._desk.next_deadline()) if when is not None]
        dates_s = [(when - self._clock()).total_seconds() for when in dates]
        return max(0.0, min(LOOK_EVERY_S, self._fresh_due - asyncio.get_running_loop().time(), *dates_s))


def _tell_answer(result: Result) -> None:
    _log.info(
        "answered",
        command=result.id,
        kind=None if result.kind is None else result.kind.value,
        outcome=result.outcome.value,
        reason=None if result.reason is None else result.reason.value,
        sequence=result.sequence,
    )

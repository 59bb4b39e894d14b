"""Publish commands on the control topic, and follow what becomes of them.

Which signatures count is told by the manifest, which after compaction stands behind the commands.  So the topic is read
to its end for the keyring, then once more for the commands, and from there on both take every record.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.control_session import ControlSession
from aegis_stream.client.follow import ControlFollower
from aegis_stream.client.publish import publish
from aegis_stream.control import CommandBook, judge
from aegis_stream.control.history import who_signed
from aegis_stream.control.standing import Standing
from aegis_stream.control.topic_keys import TopicKey
from aegis_stream.errors import BrokerError, BrokerReason, CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aegis_stream.client.control_session import ControlRecord
    from aegis_stream.control import Case, Result
    from aegis_stream.errors import AegisError
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.settings import Settings

READ_S = 60.0


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class CommandClient:
    """An operator's view of the control topic; an async context manager, entered it has read everything.

    keyring: as a follower's, but it shows an expired manifest as well.  book: every command with what belongs to it.
    not_taken: how many records about commands the book did not take, by reason.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], dt.datetime] = _now) -> None:
        """Nothing is connected yet.  Raises ConfigurationError: no broker, no agent key."""
        self.keyring = Keyring(
            deployment=settings.deployment,
            agent_keys=settings.agent_public_keys,
            grace_s=settings.manifest_grace_s,
            accept_expired=True,
        )
        self.book = CommandBook()
        self.not_taken: Counter[CommandReason] = Counter()
        self._connection = connection_kwargs(settings)
        self._topic = settings.topic_control
        self._clock = clock
        self._rewraps: set[TopicKey] = set()
        self._late: list[ControlRecord] = []
        self._live = False
        self._moved = asyncio.Event()
        self._follower = ControlFollower(
            self.keyring, connection=self._connection, topic=self._topic, on_record=self._saw, clock=clock
        )

    async def __aenter__(self) -> Self:
        """Read the topic.  Raises BrokerError, ManifestRefusedError: as a follower."""
        await self._follower.__aenter__()
        try:
            await self._follower.wait_manifest(READ_S)
            await self._read_commands()
        except BaseException:
            await self._follower.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following."""
        await self._follower.__aexit__()

    @property
    def manifest(self) -> Manifest:
        """The manifest in force."""
        manifest = self.keyring.manifest
        if manifest is None:
            raise BrokerError(BrokerReason.CONTROL_EMPTY, f"there is no manifest on {self._topic}")
        return manifest

    @property
    def records(self) -> Mapping[str, DekRecord]:
        """The DEK records that the manifest names, by version."""
        return self.keyring.view.records

    @property
    def problem(self) -> AegisError | None:
        """Why the topic is not being read at the moment."""
        return self._follower.problem

    def standing(self, command_id: str) -> Standing:
        """Tell where a command stands.  Raises CommandRefusedError(MISMATCH): there is none of this id."""
        case = self.book.case(command_id)
        if case is None:
            raise CommandRefusedError(
                CommandReason.MISMATCH,
                f"{self._topic} has no command {command_id}",
                remedy="`aegis control log` lists them",
            )
        return self._standing(case)

    def standings(self) -> tuple[Standing, ...]:
        """Tell where every command stands, the first issued first."""
        return tuple(self._standing(case) for case in self.book.cases())

    def orphans(self) -> tuple[str, ...]:
        """Return the keys of rewrap records without a command: what an interrupted rewrap has left behind."""
        return tuple(sorted(key.text for key in self._rewraps if self.book.case(key.command_id) is None))

    async def wait_moved(self, timeout_s: float) -> None:
        """Return when something was read, or after `timeout_s`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), timeout_s)

    async def publish(self, records: Sequence[tuple[str, bytes | None]]) -> None:
        """Write (key, value) pairs in their order, each acknowledged by all replicas in sync; None is a tombstone.

        Raises as `aegis_stream.client.publish.publish`.
        """
        await publish(self._connection, self._topic, records)

    async def follow(
        self,
        command_id: str,
        *,
        timeout_s: float,
        since: Result | None = None,
        on_change: Callable[[Standing], None] | None = None,
    ) -> Standing | None:
        """Return where a command stands once the agent has answered it, or when `timeout_s` are over.

        since: an answer that was there before and does not count.  on_change: told whenever something was read.
        Returns None where the command itself has not come back from the topic in time.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            moved = self._moved
            case = self.book.case(command_id)
            standing = None if case is None else self._standing(case)
            if standing is not None:
                if on_change is not None:
                    on_change(standing)
                if standing.result is not None and standing.result != since:
                    return standing
            try:
                async with asyncio.timeout_at(deadline):
                    await moved.wait()
            except TimeoutError:
                return standing

    def _standing(self, case: Case) -> Standing:
        manifest = self.manifest
        judgement = judge(case, manifest=manifest, now=self._clock())
        return Standing(case, judgement, self.book.result(case.id), who_signed(case, judgement.command, manifest))

    async def _read_commands(self) -> None:
        """Read everything once more, now that the manifest says whose signatures count."""
        session = await ControlSession.open(self._connection, self._topic, position=None)
        try:
            async for records in session.read_to(await session.end()):
                for record in records:
                    self._offer(record)
        finally:
            await session.close()
        self._live = True
        late, self._late = self._late, []
        for record in late:
            if record.offset >= session.position:
                self._offer(record)

    def _saw(self, record: ControlRecord) -> None:
        """Take a record of the follower's; what comes during the second reading waits for its end."""
        if self._live:
            self._offer(record)
        elif self._follower.at_end:
            self._late.append(record)

    def _offer(self, record: ControlRecord) -> None:
        if record.key is None:
            return
        refusal = self.book.offer(record.key, record.value, manifest=self.manifest)
        if refusal is not None:
            self.not_taken[refusal] += 1
        key = TopicKey.parse(record.key)
        if key is not None and key.kind is Kind.REWRAP:
            (self._rewraps.discard if record.value is None else self._rewraps.add)(key)
        self._moved.set()
        self._moved = asyncio.Event()

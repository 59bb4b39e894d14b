"""One life of the rotation agent: keeps the manifest fresh, and puts right what others overwrite.

It reads its state back from the control topic, so it keeps no database; what it writes is decided by
aegis_stream.keyring.  It holds its own signing key and no private key of a KEK.  The order of a life:

1. begin the transactional writer, which ends what a predecessor left open and fences it;
2. read the topic to its end, and refuse to go on below what the state file knows;
3. publish a fresh manifest, then one every interval, the state file written and synced before each;
4. answer any foreign record under `manifest` or a DEK record's key with the genuine one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.client.follow import ControlFollower
from aegis_stream.errors import (
    AegisError,
    BrokerError,
    BrokerReason,
    ConfigurationError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.dek_record import DEK_PREFIX, record_sha256
from aegis_stream.keyring.entries import KeyState
from aegis_stream.keyring.guard import RecordGuard
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.maker import LIFE_S, ManifestMaker
from aegis_stream.keyring.manifest import MANIFEST_KEY, Manifest
from aegis_stream.keyring.state_file import KnownSequence, KnownState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aegis_stream.client.control_session import ControlRecord
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.state_file import StateFile
    from aegis_stream.signature import AgentSigner

INTERVAL_S = 300.0
READ_S = 120.0
HEAL_PAUSE_S = 0.1

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
        accept_rollback: int | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Nothing is connected yet; `published` and `overwritten` will count manifests, and records put right by key.

        agent_keys: public keys that manifests are taken from besides its own.  accept_rollback: the sequence at which
        the topic stands, where it may stand below what the state file knows.

        Raises ConfigurationError: the state file is damaged; KeyRefusedError: an agent key is not sound.
        """
        self.overwritten: Counter[str] = Counter()
        self.published = 0
        self._deployment = deployment
        self._signer = signer
        self._connection = connection
        self._topic = topic
        self._state_file = state_file
        self._state = state_file.load()
        self._accept_rollback = accept_rollback
        self._interval_s = interval_s
        self._clock = clock
        self._maker = ManifestMaker(signer, life_s=life_s)
        self._guard = RecordGuard()
        self._woken = asyncio.Event()
        self.keyring = Keyring(
            deployment=deployment,
            agent_keys=[signer.public, *agent_keys],
            known=None if accept_rollback is not None else self._state.published,
            accept_expired=True,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set.

        Raises BrokerUnavailableError: begin a new life later.  BrokerError(FENCED): another agent has taken over.
        BrokerError(CONTROL_EMPTY), ManifestRefusedError, ConfigurationError: the topic is not the one this agent left,
        or not its own; an operator must look.
        """
        follower = ControlFollower(
            self.keyring,
            connection=self._connection,
            topic=self._topic,
            on_record=self._saw,
            clock=self._clock,
        )
        writer = ControlWriter(self._connection, self._topic, deployment=self._deployment)
        async with writer, follower:
            await follower.wait_end(READ_S)
            manifest = self._manifest_to_go_on_from()
            self._tell_start(manifest)
            await self._publish(writer, self._maker.fresh(manifest, now=self._clock(), above=self._highest()))
            due = asyncio.get_running_loop().time() + self._interval_s
            while not stop.is_set():
                await self._wait(stop, follower, until=due)
                await self._heal(writer)
                if asyncio.get_running_loop().time() >= due:
                    await self._publish(writer, self._maker.fresh(self._in_force(), now=self._clock()))
                    due = asyncio.get_running_loop().time() + self._interval_s
        _log.info("stopped", sequence=self._in_force().sequence)

    def _highest(self) -> int:
        return self._state.highest_sequence

    def _in_force(self) -> Manifest:
        manifest = self.keyring.manifest
        if manifest is None:
            raise BrokerError(BrokerReason.CONTROL_EMPTY, f"there is no manifest on {self._topic}")
        return manifest

    def _manifest_to_go_on_from(self) -> Manifest:
        """Judge what the topic holds at the start."""
        manifest, published = self.keyring.manifest, self._state.published
        if manifest is None:
            self._refuse_without_manifest(published)
        if self._accept_rollback is not None and manifest.sequence != self._accept_rollback:
            raise ConfigurationError(
                f"the manifest on {self._topic} has sequence {manifest.sequence}, not {self._accept_rollback}",
                remedy="--accept-rollback names the sequence that the topic stands at, once you know why",
            )
        if manifest.agent_state(self._signer.key_id) is not KeyState.CURRENT:
            raise ConfigurationError(
                f"the manifest does not name {self._signer.key_id} as a current key of the agent",
                remedy="set AEGIS_AGENT_SIGNING_KEY to the key that this deployment's followers pin",
            )
        return manifest

    def _refuse_without_manifest(self, published: KnownSequence | None) -> NoReturn:
        refusal = self.keyring.last_refusal
        if published is not None and (refusal is None or refusal.reason == ManifestReason.SEQUENCE):
            raise ManifestRefusedError(
                ManifestReason.SEQUENCE,
                f"{self._topic} stands below sequence {published.sequence}, which this agent has published",
                remedy="`aegis keys restore` puts a backup back; `--accept-rollback SEQUENCE` accepts what is there",
            )
        if refusal is not None:
            raise refusal
        raise BrokerError(
            BrokerReason.CONTROL_EMPTY,
            f"there is no manifest on {self._topic}",
            remedy="run `aegis keys init` once for each deployment, or `aegis keys restore` where there was one",
        )

    def _tell_start(self, manifest: Manifest) -> None:
        for version in self.keyring.missing():
            _log.error("a DEK record is lost", dek_version=version, remedy="`aegis keys restore` puts it back")
        _log.info(
            "started",
            deployment=self._deployment,
            sequence=manifest.sequence,
            active_version=manifest.active.version.text,
            agent=self._signer.key_id,
        )

    async def _publish(self, writer: ControlWriter, change: Change) -> None:
        """Write a change; the state file says that it may be there before it can be."""
        self._state = KnownState(self._state.published, change.known)
        await asyncio.to_thread(self._state_file.store, self._state)
        offsets = await writer.write(change.writes)
        for (key, value), offset in zip(change.writes, offsets, strict=True):
            self.keyring.offer(key, value, now=self._clock())
            self._guard.saw(key, value, offset)
        self.published += 1
        self._state = KnownState(change.known)
        await asyncio.to_thread(self._state_file.store, self._state)
        _log.info(
            "published",
            sequence=change.manifest.sequence,
            expires_at=change.manifest.expires_at.isoformat(),
            records=len(change.writes),
        )

    def _genuine(self) -> dict[str, bytes]:
        """Return what must stand last under each key that is the agent's alone."""
        genuine = {MANIFEST_KEY: self.keyring.view.value}
        for entry in self._in_force().deks:
            value = self.keyring.record_value(entry.version.text)
            if value is not None:
                genuine[DEK_PREFIX + entry.version.text] = value
        return genuine

    def _saw(self, record: ControlRecord) -> None:
        if record.key == MANIFEST_KEY or (record.key or "").startswith(DEK_PREFIX):
            self._guard.saw(str(record.key), record.value, record.offset)
            self._woken.set()

    async def _heal(self, writer: ControlWriter) -> None:
        """Write the genuine records again where something else stands last."""
        self._woken.clear()
        genuine = self._genuine()
        self._guard.forget_others(genuine)
        wrong = self._guard.overwritten(genuine)
        if not wrong:
            return
        offsets = await writer.write(wrong)
        for (key, value), offset in zip(wrong, offsets, strict=True):
            self._guard.saw(key, value, offset)
            self.overwritten[key] += 1
            _log.warning("somebody wrote over a record; it is put right", key=key, sha256=record_sha256(value))
        await asyncio.sleep(HEAL_PAUSE_S)  # a flood must not keep the agent from its own work

    async def _wait(self, stop: asyncio.Event, follower: ControlFollower, *, until: float) -> None:
        """Return at `until`, or earlier: to stop, or because a record came in."""
        waits = [asyncio.ensure_future(wait) for wait in (stop.wait(), self._woken.wait(), follower.join())]
        try:
            timeout_s = max(0.0, until - asyncio.get_running_loop().time())
            await asyncio.wait(waits, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if waits[2].done():
                waits[2].result()
                raise follower.problem or AegisError("the follower of the control topic has stopped")
        finally:
            for wait in waits:
                wait.cancel()

"""Which DEK new events are encrypted under at this moment, or why none may be."""

from __future__ import annotations

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import structlog

from aegis_stream.encryption import PIIEncryptor
from aegis_stream.encryption.engine import native_module
from aegis_stream.keyring.entries import KeyState
from topologies.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.encryption.engine import Engine
    from aegis_stream.errors import AegisError
    from aegis_stream.keyring.view import ActiveDek, View
    from aegis_stream.session_signer import SessionSigner
    from topologies.writer import BatchEncryptor

    EncryptorFactory = Callable[[ActiveDek, SessionSigner | None, int], BatchEncryptor]

LOOK_EVERY_S = 0.2
"""How soon a held enricher notices that it may go on."""

_log = structlog.get_logger(__name__)


class KeySource(Protocol):
    """What is known about keys."""

    @property
    def view(self) -> View:
        """The keyring's present state."""
        ...

    @property
    def at_end(self) -> bool:
        """Whether the control topic was read to its end; before that, the view may be an old one."""
        ...

    @property
    def problem(self) -> AegisError | None:
        """What went wrong last, if anything did: the control topic cannot be read, or a record of it was refused."""
        ...


class WriterState(StrEnum):
    """Why events pass, or do not."""

    USABLE = "usable"
    READING = "reading-control-topic"
    NO_MANIFEST = "no-manifest"
    MANIFEST_EXPIRED = "manifest-expired"
    RECORD_MISSING = "record-missing"
    SIGNER_MISSING = "signer-missing"
    SIGNER_NOT_ENROLLED = "signer-not-enrolled"


_NO_AGENT = "see that the rotation agent runs (`aegis run rotator`) and that the clocks agree"
_REMEDIES = {
    WriterState.NO_MANIFEST: "run `aegis keys init`, then `aegis run rotator`",
    WriterState.MANIFEST_EXPIRED: _NO_AGENT,
    WriterState.RECORD_MISSING: "the rotation agent restores it; else `aegis keys restore`",
    WriterState.SIGNER_MISSING: "set AEGIS_SESSION_SIGNING_KEY: this deployment's sessions are signed",
    WriterState.SIGNER_NOT_ENROLLED: "enrol this enricher's session-signing key, or configure the one that is enrolled",
}


def library_encryptor(engine: Engine | str) -> EncryptorFactory:
    """Return what makes the library's own encryptors; `engine` is AEGIS_ENGINE's.

    Raises ConfigurationError: the native engine was demanded and cannot be had.
    """
    native_module(engine)

    def make(active: ActiveDek, signer: SessionSigner | None, max_output_bytes: int) -> BatchEncryptor:
        return PIIEncryptor(
            public_key=active.public_key.raw,
            dek_version=active.version.text,
            policy=active.policy,
            signer=signer,
            max_output_bytes=max_output_bytes,
            engine=engine,
        )

    return make


class KeyringWriters:
    """Follows the keyring's view: a new generation means a new encryptor, with a session of its own.

    Once the manifest's life and grace are over there is no writer until a fresh one comes, so that an outage of the
    rotation agent costs no event: nothing is passed, and nothing is committed.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        signer: SessionSigner | None,
        max_output_bytes: int,
        make_encryptor: EncryptorFactory,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Follow `keys`; `now` gives POSIX seconds, to be compared with the manifest's times."""
        self._keys = keys
        self._signer = signer
        self._max_output_bytes = max_output_bytes
        self._make_encryptor = make_encryptor
        self._now = now
        self._generation: int | None = None
        self._writer: Writer | None = None
        self._told: tuple[WriterState, bool] | None = None

    @property
    def state(self) -> WriterState:
        """Whether events may pass now, and if not, why."""
        return self._judge(self._keys.view)

    @property
    def writer(self) -> Writer | None:
        """The writer made last, whether or not it may be used now."""
        return self._writer

    @property
    def in_grace(self) -> bool:
        """Whether the manifest in force has expired and is still relied on."""
        manifest = self._keys.view.manifest
        return manifest is not None and manifest.expires_at.timestamp() <= self._now() < self._keys.view.usable_until

    def current(self) -> Writer | None:
        """Return the writer of the active DEK, None while nothing may be passed; says so when that changes."""
        view = self._keys.view
        state = self._judge(view)
        if (state, self.in_grace) != self._told:
            self._told = (state, self.in_grace)
            self._tell(state)
        if state is not WriterState.USABLE:
            return None
        if view.generation != self._generation and view.active is not None:
            self._writer = self._made(view.active, view)
            self._generation = view.generation
        return self._writer

    async def wait_usable(self) -> None:
        """Return once events may pass."""
        while self.current() is None:  # noqa: ASYNC110 - it also hangs on the time of day, of which nobody tells
            await asyncio.sleep(LOOK_EVERY_S)

    def _judge(self, view: View) -> WriterState:
        if not self._keys.at_end:
            return WriterState.READING
        if view.manifest is None:
            return WriterState.NO_MANIFEST
        if self._now() >= view.usable_until:
            return WriterState.MANIFEST_EXPIRED
        if view.active is None:
            return WriterState.RECORD_MISSING
        if view.active.signed and not self._enrolled(view):
            return WriterState.SIGNER_MISSING if self._signer is None else WriterState.SIGNER_NOT_ENROLLED
        return WriterState.USABLE

    def _enrolled(self, view: View) -> bool:
        if view.manifest is None or view.active is None or self._signer is None:
            return False
        return any(
            entry.public_key == self._signer.public
            and entry.state is not KeyState.REVOKED
            and entry.covers(view.active.version.n)
            for entry in view.manifest.enrichers
        )

    def _made(self, active: ActiveDek, view: View) -> Writer:
        signer = self._signer if self._enrolled(view) else None
        encryptor = self._make_encryptor(active, signer, self._max_output_bytes)
        _log.info(
            "writing under",
            dek_version=active.version.text,
            policy=active.policy.id,
            signed=signer is not None,
            engine=encryptor.stats.engine,
        )
        return Writer(active.version.text, encryptor, active.public_key)

    def _tell(self, state: WriterState) -> None:
        if state is WriterState.READING:
            _log.info("reading the control topic")
        elif state is not WriterState.USABLE:
            problem = self._keys.problem
            detail = {} if problem is None else {"detail": str(problem), "hint": problem.remedy}
            _log.error(
                "holding: nothing is passed, nothing committed", why=state.value, remedy=_REMEDIES[state], **detail
            )
        elif self.in_grace:
            _log.error("the manifest has expired; it is relied on until its grace is over", remedy=_NO_AGENT)
        else:
            _log.info("events may pass")

"""The enricher: raw governance events in, encrypted events out.

One agent reads record lists from a channel of its own and gives them to the pipeline; see pipeline.py for what holds.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aegis_stream.session_signer import SessionSigner
from topologies.app import AegisApp, faust_settings
from topologies.batches import BATCH_HEAD_BYTES, RECORD_HEAD_BYTES
from topologies.before_start import look_before_start
from topologies.broker_door import BrokerDoor
from topologies.death import die
from topologies.keyring_service import KeyringService
from topologies.list_protector import ListProtector
from topologies.logs import configure_logging
from topologies.memory import collect_rarely, keep_freed_memory
from topologies.metrics import EnricherMetrics
from topologies.pages import Condition, add_pages
from topologies.pipeline import Pipeline
from topologies.side_doors import SideDoors
from topologies.worker import run_worker, use_fast_loop
from topologies.writers import KeyringWriters, WriterState, library_encryptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import NoReturn

    from mode import ServiceT

    from aegis_stream.settings import Settings
    from topologies.batches import SizeLimits
    from topologies.record_list import RecordList
    from topologies.writers import EncryptorFactory, KeySource

BATCH_BYTES = 1_048_576
"""The most bytes of one batch before compression; less where a topic takes less."""

LOOK_AT_KEYS_S = 5.0


class Enricher:
    """The application and everything it is made of; `app` is run by topologies.worker."""

    def __init__(  # noqa: PLR0913 - parts that are put together in one place, all by name
        self,
        settings: Settings,
        *,
        keys: KeySource,
        limits: SizeLimits,
        services: Iterable[ServiceT] = (),
        make_encryptor: EncryptorFactory | None = None,
        on_unexpected: Callable[[str, BaseException], NoReturn] = die,
    ) -> None:
        """Put it together; nothing is started.

        keys: what is known about keys.  limits: of the topics that are written.  services: what keeps `keys` up to
        date.  make_encryptor: the library's own by default; the seam behind which benchmarks put a stand-in, and which
        no setting reaches.
        Raises ConfigurationError, KeyRefusedError.
        """
        seed = settings.session_signing_key
        doors = SideDoors.from_settings(settings)
        self._keys = keys
        self._metrics = EnricherMetrics(doors)
        self._writers = KeyringWriters(
            keys,
            signer=None if seed is None else SessionSigner.from_seed(seed.get_secret_value()),
            max_output_bytes=limits.encrypted - BATCH_HEAD_BYTES - RECORD_HEAD_BYTES,
            make_encryptor=make_encryptor or library_encryptor(settings.engine),
        )
        self.app = AegisApp(
            settings.application_id,
            may_join=self._writers.wait_usable,
            drain=self._drain,
            services=services,
            **faust_settings(settings, max_batch_bytes=min(BATCH_BYTES, *limits)),
        )
        door = BrokerDoor(self.app, encrypted=settings.topic_encrypted, dead_letter=settings.topic_dead_letter)
        self._pipeline = Pipeline(
            protector=ListProtector(new_batch=door.new_batch, doors=doors, limits=limits),
            writers=self._writers,
            broker=door,
            observer=self._metrics,
            on_unexpected=on_unexpected,
        )
        self.app.topics.add(self.app.topic(settings.topic_raw))
        self.app.agent(self.app.record_lists, name="protect_events")(self._protect_events)
        self.app.timer(LOOK_AT_KEYS_S)(self._look_at_keys)
        add_pages(self.app, self)

    async def _protect_events(self, lists: AsyncIterable[RecordList]) -> None:
        await self._pipeline.run(lists)

    async def _look_at_keys(self) -> None:
        """Say in the log that the keys may not be used, or may again, also while no event comes."""
        self._writers.current()

    async def _drain(self, generation: int) -> None:
        await self._pipeline.drain(generation)

    def health(self) -> Condition:
        """Good unless the manifest has expired, be it within its grace: then nobody has signed one for too long."""
        expired = self._writers.in_grace or self._writers.state is WriterState.MANIFEST_EXPIRED
        return Condition(not expired, {"status": "manifest-expired" if expired else "ok", **self._facts()})

    def readiness(self) -> Condition:
        """Good while events pass: the keys are known, and the group has told this process its partitions."""
        usable = self._writers.state is WriterState.USABLE
        joined = self.app.tables.actives_ready
        good = usable and joined and not self.app.should_stop
        return Condition(good, {"status": "ready" if good else "waiting", "joined": joined, **self._facts()})

    def metrics(self) -> bytes:
        """Return the metrics, those that tell the present state brought up to date."""
        view, now = self._keys.view, time.time()
        metrics = self._metrics
        if view.manifest is not None:
            metrics.manifest_age_s.set(now - view.manifest.issued_at.timestamp())
            metrics.manifest_usable_s.set(max(0.0, view.usable_until - now))
            metrics.manifest_sequence.set(view.manifest.sequence)
        if self._writers.writer is not None:
            metrics.show_writer(self._writers.writer)
        metrics.in_flight.set(self._pipeline.in_flight)
        metrics.ready.set(self.readiness().good)
        if self.app.tables.actives_ready:
            metrics.show_lag(self.app.bulk_consumer.lags())
            metrics.undecodable_headers.set(self.app.bulk_consumer.undecodable_headers)
        return metrics.text()

    def _facts(self) -> dict[str, object]:
        view, writer = self._keys.view, self._writers.writer
        return {
            "keys": str(self._writers.state),
            "dek_version": None if writer is None else writer.dek_version,
            "manifest_sequence": None if view.manifest is None else view.manifest.sequence,
            "problem": None if self._keys.problem is None else str(self._keys.problem),
        }


def build_enricher(
    settings: Settings, *, limits: SizeLimits, make_encryptor: EncryptorFactory | None = None
) -> Enricher:
    """Return an enricher that follows the control topic of `settings`.

    limits, make_encryptor: see Enricher.  Raises ConfigurationError, KeyRefusedError.
    """
    keys = KeyringService(settings)
    return Enricher(settings, keys=keys, limits=limits, services=[keys], make_encryptor=make_encryptor)


def run_enricher(settings: Settings, *, make_encryptor: EncryptorFactory | None = None) -> int:
    """Run an enricher in this process until SIGTERM or SIGINT; returns the exit code.

    make_encryptor: see Enricher.
    Raises ConfigurationError, KeyRefusedError, BrokerError, BrokerUnavailableError where it cannot start.
    """
    configure_logging(settings)
    keep_freed_memory()
    use_fast_loop()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    limits = loop.run_until_complete(look_before_start(settings))
    enricher = build_enricher(settings, limits=limits, make_encryptor=make_encryptor)
    collect_rarely()
    return run_worker(enricher.app, loop)

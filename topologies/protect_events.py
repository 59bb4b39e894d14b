"""The enricher: raw governance events in, encrypted events out.

One agent reads record lists from a channel of its own and gives them to the pipeline; see pipeline.py for what holds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aegis_stream.session_signer import SessionSigner
from topologies.app import AegisApp, faust_settings
from topologies.batches import BATCH_HEAD_BYTES, RECORD_HEAD_BYTES
from topologies.broker_door import BrokerDoor
from topologies.death import die
from topologies.list_protector import ListProtector
from topologies.metrics import EnricherMetrics
from topologies.pages import Condition, add_pages
from topologies.pipeline import Pipeline
from topologies.side_doors import SideDoors
from topologies.writers import KeyringWriters, WriterState, python_encryptor

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable
    from typing import NoReturn

    from mode import ServiceT

    from aegis_stream.keyring.view import View
    from aegis_stream.settings import Settings
    from topologies.batches import SizeLimits
    from topologies.record_list import RecordList
    from topologies.writers import EncryptorFactory

BATCH_BYTES = 1_048_576
"""The most bytes of one batch before compression; less where a topic takes less."""


class Enricher:
    """The application and everything it is made of; `app` is run by topologies.worker."""

    def __init__(  # noqa: PLR0913 - parts that are put together in one place, all by name
        self,
        settings: Settings,
        *,
        view: Callable[[], View],
        limits: SizeLimits,
        services: Iterable[ServiceT] = (),
        make_encryptor: EncryptorFactory = python_encryptor,
        on_unexpected: Callable[[str, BaseException], NoReturn] = die,
    ) -> None:
        """Put it together; nothing is started.

        view: the keyring's present state.  limits: of the topics that are written.  services: what keeps the keyring
        up to date.  make_encryptor: the seam behind which benchmarks put a stand-in; no setting reaches it.
        Raises ConfigurationError, KeyRefusedError.
        """
        seed = settings.session_signing_key
        doors = SideDoors.from_settings(settings)
        self._view = view
        self._metrics = EnricherMetrics(doors)
        self._writers = KeyringWriters(
            view,
            signer=None if seed is None else SessionSigner.from_seed(seed.get_secret_value()),
            max_output_bytes=limits.encrypted - BATCH_HEAD_BYTES - RECORD_HEAD_BYTES,
            make_encryptor=make_encryptor,
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
        add_pages(self.app, self)

    async def _protect_events(self, lists: AsyncIterable[RecordList]) -> None:
        await self._pipeline.run(lists)

    async def _drain(self, generation: int) -> None:
        await self._pipeline.drain(generation)

    def health(self) -> Condition:
        """Good while the manifest in force has not expired; a grace period is not good health."""
        state = self._writers.state
        manifest = self._view().manifest
        expired = manifest is not None and manifest.expires_at.timestamp() <= time.time()
        good = not expired and state is not WriterState.MANIFEST_EXPIRED
        return Condition(good, {"status": "ok" if good else "manifest-expired", **self._facts()})

    def readiness(self) -> Condition:
        """Good while events pass: the keys are known, and the group has told this process its partitions."""
        usable = self._writers.state is WriterState.USABLE
        joined = self.app.tables.actives_ready
        good = usable and joined and not self.app.should_stop
        return Condition(good, {"status": "ready" if good else "waiting", "joined": joined, **self._facts()})

    def metrics(self) -> bytes:
        """Return the metrics, those that tell the present state brought up to date."""
        view, now = self._view(), time.time()
        metrics = self._metrics
        if view.manifest is not None:
            metrics.manifest_age_s.set(now - view.manifest.issued_at.timestamp())
            metrics.manifest_usable_s.set(max(0.0, view.usable_until - now))
            metrics.manifest_sequence.set(view.manifest.sequence)
        metrics.in_flight.set(self._pipeline.in_flight)
        metrics.ready.set(self.readiness().good)
        if self.app.tables.actives_ready:
            metrics.show_lag(self.app.bulk_consumer.lags())
        return metrics.text()

    def _facts(self) -> dict[str, object]:
        view, writer = self._view(), self._writers.writer
        return {
            "keys": str(self._writers.state),
            "dek_version": None if writer is None else writer.dek_version,
            "manifest_sequence": None if view.manifest is None else view.manifest.sequence,
        }

"""What /metrics shows: counts by names and reasons from closed sets, never a value of an event."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import prometheus_client as prometheus

from aegis_stream.errors import WriteReason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.encryption import WriterStats
    from topologies.list_protector import Outputs
    from topologies.side_doors import SideDoors
    from topologies.writer import BatchEncryptor, Writer

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST


class EnricherMetrics:
    """The enricher's counters and gauges, in a registry of their own."""

    def __init__(self, doors: SideDoors) -> None:
        """Start at zero; `doors` counts keys and headers that were dropped."""
        self.registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self.registry)
        self._doors = doors
        self._doors_seen: Counter[str] = Counter()
        self._encryptor: BatchEncryptor | None = None
        self._seen = _Seen()
        counter, gauge = self._counter, self._gauge
        self._events = counter("events", "Events encrypted")
        self._lists = counter("batches", "Lists of records that were protected at once")
        self._bytes_in = counter("bytes_in", "Bytes of the events that were encrypted")
        self._bytes_out = counter("bytes_out", "Bytes of the encrypted events")
        self._fields = counter("fields", "Fields encrypted", "name", "priority")
        self._refused = counter("dead_letters", "Records sealed to the dead-letter topic", "reason")
        for reason in WriteReason:
            self._refused.labels(reason.value)  # each from 0 on, so that the first of a kind is an increase
        self._dropped = counter("dropped", "Record keys and headers that were not passed on", "what")
        self._sessions = counter("sessions", "Encryption sessions opened")
        self._commits = counter("commits", "Commits of input offsets", "outcome")
        self._dek = gauge("dek_info", "The DEK version that new events are encrypted under", "version")
        self._engine = gauge("engine_info", "The engine that encrypts", "engine")
        self._lag = gauge("lag_records", "Records of the raw topic not yet committed", "partition")
        self.manifest_age_s = gauge("manifest_age_seconds", "Age of the manifest in force")
        self.manifest_usable_s = gauge("manifest_usable_seconds", "Time until writing stops without a fresh manifest")
        self.manifest_sequence = gauge("manifest_sequence", "Sequence of the manifest in force")
        self.undecodable_headers = gauge("undecodable_headers", "Headers left out: their names are not UTF-8")
        self.in_flight = gauge("lists_in_flight", "Lists that are protected and not yet committed")
        self.ready = gauge("ready", "1 while events pass")

    def protected(self, outputs: Outputs, writer: Writer) -> None:
        """Count one protected list."""
        self._lists.inc()
        for reason, number in outputs.refusals.items():
            self._refused.labels(reason).inc(number)
        if writer.encryptor is not self._encryptor:
            self._encryptor, self._seen = writer.encryptor, _Seen()
            self.show_writer(writer)
        stats = writer.encryptor.stats
        new = self._seen.differences(stats)
        for name, number in new.items():
            self._fields.labels(name, str(stats.priority(name))).inc(number)
        for metric, number in zip(
            (self._events, self._bytes_in, self._bytes_out, self._sessions), self._seen.totals(stats), strict=True
        ):
            metric.inc(number)
        self._count_dropped()

    def show_writer(self, writer: Writer) -> None:
        """Tell what new events are encrypted under, also while none comes."""
        self._dek.clear()
        self._dek.labels(writer.dek_version).set(1)
        self._engine.clear()
        self._engine.labels(writer.encryptor.stats.engine).set(1)

    def committed(self, *, accepted: bool) -> None:
        """Count one answered commit."""
        self._commits.labels("accepted" if accepted else "superseded").inc()

    def show_lag(self, lags: Mapping[int, int]) -> None:
        """Set the lag of these partitions ({partition: records}), and of no other."""
        self._lag.clear()
        for partition, lag in lags.items():
            self._lag.labels(partition).set(lag)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return prometheus.generate_latest(self.registry)

    def _counter(self, name: str, purpose: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(f"aegis_enricher_{name}", purpose, labels, registry=self.registry)

    def _gauge(self, name: str, purpose: str, *labels: str) -> prometheus.Gauge:
        return prometheus.Gauge(f"aegis_enricher_{name}", purpose, labels, registry=self.registry)

    def _count_dropped(self) -> None:
        dropped = self._doors.dropped
        if dropped != self._doors_seen:
            for what, number in (dropped - self._doors_seen).items():
                self._dropped.labels(what).inc(number)
            self._doors_seen = dropped.copy()


class _Seen:
    """What was already counted of one encryptor's stats."""

    def __init__(self) -> None:
        self._fields: Counter[str] = Counter()
        self._totals = (0, 0, 0, 0)

    def differences(self, stats: WriterStats) -> Counter[str]:
        new = stats.fields - self._fields
        self._fields = stats.fields.copy()
        return new

    def totals(self, stats: WriterStats) -> tuple[int, ...]:
        now = (stats.events, stats.bytes_in, stats.bytes_out, stats.sessions)
        new = tuple(after - before for after, before in zip(now, self._totals, strict=True))
        self._totals = now
        return new

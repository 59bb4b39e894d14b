"""Counting what is asked of a KEK."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from aegis_stream.errors import AegisError
from aegis_stream.kek.wrapper import KEKWrapper

if TYPE_CHECKING:
    from aegis_stream.kek.provider import KEKProvider

_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0)


class KEKMetrics:
    """The metrics, made once a registry; labels are the provider's name and `ok` or the reason of an error."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Register aegis_kek_decapsulations_total and aegis_kek_decapsulation_seconds."""
        self.decapsulations = Counter(
            "aegis_kek_decapsulations_total",
            "Decapsulations asked of a KEK provider.",
            ["provider", "result"],
            registry=registry,
        )
        self.seconds = Histogram(
            "aegis_kek_decapsulation_seconds",
            "Time a KEK provider took for a decapsulation.",
            ["provider"],
            registry=registry,
            buckets=_BUCKETS_S,
        )


class MeteredKEK(KEKWrapper):
    """Counts decapsulations by result and measures how long they take."""

    __slots__ = ("_metrics",)

    def __init__(self, inner: KEKProvider, metrics: KEKMetrics) -> None:
        """Report to `metrics`."""
        super().__init__(inner)
        self._metrics = metrics

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes; raises as the provider inside."""
        result = "error"
        start = time.perf_counter()
        try:
            secret = self._inner.decapsulate(encapsulation)
            result = "ok"
        except AegisError as error:
            result = error.reason
            raise
        finally:
            self._metrics.seconds.labels(self.name).observe(time.perf_counter() - start)
            self._metrics.decapsulations.labels(self.name, result).inc()
        return secret

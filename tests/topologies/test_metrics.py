"""What /metrics counts."""

from __future__ import annotations

from collections import Counter

from aegis_stream.encryption import create_pii_enricher
from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.pii import Policy
from topologies.list_protector import Outputs
from topologies.metrics import EnricherMetrics
from topologies.side_doors import KeyRule, SideDoors
from topologies.writer import Writer

KEYS = HybridKEM.generate_keypair()


def writer(version: str = "dek-v1-20260101", policy: Policy | None = None) -> Writer:
    """Make a writer."""
    encryptor = create_pii_enricher(public_key=KEYS.public, dek_version=version, policy=policy)
    return Writer(version, encryptor, HybridPublicKey.from_bytes(KEYS.public))


def value(metrics: EnricherMetrics, sample: str, /, **labels: str) -> float | None:
    """Return one sample."""
    return metrics.registry.get_sample_value(f"aegis_enricher_{sample}", labels)


def test_events_fields_bytes_and_sessions_are_counted_once() -> None:
    """The encryptor counts from its beginning, the metrics the differences."""
    metrics, one = EnricherMetrics(SideDoors(KeyRule.DROP)), writer(policy=Policy(id="p", names=("email",)))
    raw = [b'{"actor_id":"a","actorId":"b","email":"c"}', b"{}"]
    for _ in range(2):
        one.encryptor.protect_batch(raw)
        metrics.protected(Outputs([], [], Counter()), one)
    assert value(metrics, "events_total") == 4
    assert value(metrics, "batches_total") == 2
    assert value(metrics, "bytes_in_total") == 2 * sum(map(len, raw))
    assert value(metrics, "sessions_total") == 1
    assert value(metrics, "fields_total", name="actor_id", priority="high") == 4
    assert value(metrics, "fields_total", name="email", priority="custom") == 2


def test_a_new_dek_version_replaces_the_old_one_and_the_counts_go_on() -> None:
    """A rotation must not make counters fall."""
    metrics = EnricherMetrics(SideDoors(KeyRule.DROP))
    for version in ("dek-v1-20260101", "dek-v2-20260102"):
        one = writer(version)
        one.encryptor.protect_batch([b"{}"])
        metrics.protected(Outputs([], [], Counter()), one)
    assert value(metrics, "events_total") == 2
    assert value(metrics, "dek_info", version="dek-v1-20260101") is None
    assert value(metrics, "dek_info", version="dek-v2-20260102") == 1


def test_refusals_drops_and_commits_are_counted_by_reason() -> None:
    """An alarm on dead letters needs them, and on keys and headers that did not leave."""
    doors = SideDoors(KeyRule.KEEP)
    metrics = EnricherMetrics(doors)
    doors.headers([("aegis-x", b""), ("h", b"alice")], [b"alice"])
    doors.key(b"alice", [b"alice"])
    one = writer()
    for _ in range(2):
        metrics.protected(Outputs([], [], Counter({"not-json": 2})), one)
    metrics.committed(accepted=True)
    metrics.committed(accepted=False)
    assert value(metrics, "dead_letters_total", reason="not-json") == 4
    assert value(metrics, "dropped_total", what="own-header") == 1
    assert value(metrics, "dropped_total", what="header") == 1
    assert value(metrics, "dropped_total", what="key") == 1
    assert value(metrics, "commits_total", outcome="accepted") == 1
    assert value(metrics, "commits_total", outcome="superseded") == 1


def test_lags_are_those_of_the_partitions_assigned_now() -> None:
    """A partition that was given up must not show an old lag for ever."""
    metrics = EnricherMetrics(SideDoors(KeyRule.DROP))
    metrics.show_lag({0: 5, 1: 7})
    metrics.show_lag({1: 3})
    assert value(metrics, "lag_records", partition="0") is None
    assert value(metrics, "lag_records", partition="1") == 3
    assert b"aegis_enricher_lag_records" in metrics.text()

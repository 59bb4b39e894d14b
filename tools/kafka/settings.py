"""The settings of a broker for tests and development."""

from __future__ import annotations

from typing import Final

# One node, no waiting, a quick log cleaner.
TEST_SETTINGS: Final = {
    "offsets.topic.replication.factor": "1",
    # The default of 50 partitions costs the first group and the first transaction half a second, and a restart too.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    "log.cleaner.backoff.ms": "500",
    # After a crash the broker may not register again before its old session is over: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}

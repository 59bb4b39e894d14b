"""A real Apache Kafka for development and tests, from whatever this machine has."""

from __future__ import annotations

from tools.kafka.acls import Grant, Operation, Resource, allow
from tools.kafka.errors import KafkaUnavailableError
from tools.kafka.resolve import Broker, RestartableBroker, own_kafka, resolve_kafka
from tools.kafka.server import KafkaServer

__all__ = [
    "Broker",
    "Grant",
    "KafkaServer",
    "KafkaUnavailableError",
    "Operation",
    "Resource",
    "RestartableBroker",
    "allow",
    "own_kafka",
    "resolve_kafka",
]

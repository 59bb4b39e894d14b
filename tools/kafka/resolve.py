"""Which Kafka to use: a given one, a container, or the jars."""

from __future__ import annotations

import os
import socket
from typing import Protocol, Self, runtime_checkable

from tools.kafka.container import KafkaContainer, docker_answers
from tools.kafka.errors import KafkaUnavailableError
from tools.kafka.server import KafkaServer

VARIABLE = "AEGIS_TEST_BROKER"
CONNECT_TIMEOUT_S = 5


class Broker(Protocol):
    """What every kind of broker offers; a context manager."""

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port[,host:port…]."""

    def __enter__(self) -> Self:
        """Start it, where it is ours to start."""

    def __exit__(self, *_: object) -> None:
        """End it, where it is ours to end."""


@runtime_checkable
class RestartableBroker(Broker, Protocol):
    """A broker of our own, which tests may take down."""

    def restart(self, *, hard: bool = False) -> None:
        """Stop it and start it again on the same port and data; `hard` is SIGKILL."""


class GivenKafka:
    """A broker that somebody else runs."""

    def __init__(self, bootstrap: str) -> None:
        """`bootstrap` is host:port, or several with commas between."""
        self.bootstrap = bootstrap

    def __enter__(self) -> Self:
        """Look whether somebody listens.  Raises KafkaUnavailableError: nobody does."""
        refused: list[str] = []
        for address in self.bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_TIMEOUT_S).close()
            except (OSError, ValueError) as error:
                refused.append(f"{address}: {error}")
            else:
                return self
        raise KafkaUnavailableError(f"{VARIABLE} names a broker that does not answer ({'; '.join(refused)}).")

    def __exit__(self, *_: object) -> None:
        """Leave it alone."""


def own_kafka(*, properties: dict[str, str] | None = None, port: int | None = None) -> RestartableBroker:
    """Choose a broker of our own, not yet started: a container where an engine answers, otherwise the jars."""
    if docker_answers():
        return KafkaContainer(properties=properties, port=port)
    return KafkaServer(properties=properties, port=port)


def resolve_kafka() -> Broker:
    """Choose the broker, not yet started: AEGIS_TEST_BROKER if set, else one of our own.

    Entering it raises KafkaUnavailableError with what to install where no way leads to a broker.
    """
    if given := os.environ.get(VARIABLE):
        return GivenKafka(given)
    return own_kafka()

"""The same broker in a container, where a Docker engine answers."""

from __future__ import annotations

import contextlib
import gc
import os
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tools.kafka.errors import KafkaUnavailableError
from tools.kafka.ports import free_ports
from tools.kafka.settings import TEST_SETTINGS

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.3.1"
SOCKET = Path("/var/run/docker.sock")
START_TIMEOUT_S = 120
STARTED = "Kafka Server started"


def docker_answers() -> bool:
    """Tell whether a Docker engine can be used; costs nothing where there is no trace of one."""
    if "DOCKER_HOST" not in os.environ and not SOCKET.exists():
        return False
    import docker  # noqa: PLC0415 -- half a second, wanted only where an engine may be
    import docker.errors  # noqa: PLC0415 -- the same

    answers = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # its sockets stay open where nobody listens
        with contextlib.suppress(docker.errors.DockerException, OSError):
            client = docker.from_env(timeout=5)
            answers = bool(client.ping())
            client.close()
        gc.collect()
    return answers


class KafkaContainer:
    """One broker in a container, reached at `bootstrap`; a context manager like KafkaServer."""

    def __init__(self, *, properties: dict[str, str] | None = None, port: int | None = None) -> None:
        """Choose a port; nothing is started before `start`.  `properties` are lines of server.properties."""
        self._port = free_ports(1)[0] if port is None else port
        self._properties = dict(properties or {})
        self._container: DockerContainer | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port."""
        return f"127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start, and return self."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop and remove the container."""
        self.close()

    def start(self) -> Self:
        """Start the container and return once the broker serves.  Raises KafkaUnavailableError: silent for 120 s."""
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 -- slow, wanted only here

        container = DockerContainer(IMAGE).with_bind_ports(9092, self._port)
        for name, value in self._settings().items():
            container.with_env("KAFKA_" + name.upper().replace(".", "_"), value)
        self._container = container
        container.start()
        self._await_started(1)
        return self

    def restart(self, *, hard: bool = False) -> None:
        """Stop the broker and start it again on the same port and data; `hard` is SIGKILL."""
        if self._container is None:
            raise RuntimeError("the Kafka container is not started")
        wrapped = self._container.get_wrapped_container()
        wrapped.kill() if hard else wrapped.stop()
        before = self._log().count(STARTED)
        wrapped.start()
        self._await_started(before + 1)

    def close(self) -> None:
        """Remove the container with its data."""
        container, self._container = self._container, None
        if container is not None:
            container.stop()

    def _settings(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": "1@localhost:9093",
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            **TEST_SETTINGS,
            **self._properties,
        }

    def _log(self) -> str:
        if self._container is None:
            return ""
        out, err = self._container.get_logs()
        return (out + err).decode(errors="replace")

    def _await_started(self, times: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._log().count(STARTED) < times:
            if time.monotonic() > deadline:
                said = self._log()[-4000:]
                self.close()
                raise KafkaUnavailableError(f"the Kafka container is not up after {START_TIMEOUT_S} s:\n{said}")
            time.sleep(0.2)

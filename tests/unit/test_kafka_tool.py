"""Where a Kafka for tests comes from, and what is said when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.kafka import KafkaServer, KafkaUnavailableError, resolve_kafka
from tools.kafka.ports import HIGHEST, LOWEST, free_ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Hide Docker, Java, Maven and any broker."""
    for name in ("AEGIS_TEST_BROKER", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tools.kafka.container.SOCKET", tmp_path / "docker.sock")
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


def test_without_any_way_it_says_what_to_install(bare_machine: pytest.MonkeyPatch) -> None:
    """Tests that need Kafka fail without one; whoever sees that must learn how to get one."""
    assert bare_machine
    with pytest.raises(KafkaUnavailableError) as caught, resolve_kafka():
        pass
    said = str(caught.value)
    assert "not found: java and mvn" in said
    assert all(word in said for word in ("Java 17", "Maven", "Docker", "AEGIS_TEST_BROKER"))


def test_a_given_broker_comes_first(bare_machine: pytest.MonkeyPatch) -> None:
    """Who names a broker wants that one, and wants to hear that it is away, not a silent second choice."""
    (port,) = free_ports(1)
    bare_machine.setenv("AEGIS_TEST_BROKER", f"127.0.0.1:{port}")
    broker = resolve_kafka()
    assert broker.bootstrap == f"127.0.0.1:{port}"
    with pytest.raises(KafkaUnavailableError, match="names a broker that does not answer"), broker:
        pass


def test_an_engine_that_is_not_there_is_no_engine(bare_machine: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A Docker client without an engine is common; it must not keep the jars from being used."""
    bare_machine.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    assert isinstance(resolve_kafka(), KafkaServer)


def test_ports_are_different_and_not_for_outgoing_connections() -> None:
    """A client that knocks at its own outgoing port while the broker is down connects to itself."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(LOWEST <= port < HIGHEST for port in ports)

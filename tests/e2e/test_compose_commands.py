"""The services of docker-compose.yml on a real Kafka, without an engine: their commands, and what health checks say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.compose_run import ComposeRun
from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.e2e]


@pytest.fixture
def compose(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Iterator[ComposeRun]:
    """Give the services, under topics and groups of their own."""
    name = topic_name("compose")
    topics = {
        "RAW": "raw",
        "ENCRYPTED": "encrypted",
        "DEAD_LETTER": "dead",
        "DEAD_LETTER_STATE": "done",
        "CONTROL": "control",
    }
    environment = {f"AEGIS_TOPIC_{key}": f"{name}.{topic}" for key, topic in topics.items()}
    environment |= {"AEGIS_APPLICATION_ID": f"{name}.app", "AEGIS_READER_GROUP": f"{name}.reader"}
    web, dashboard = free_ports(2)
    with ComposeRun(
        bootstrap=kafka, folder=tmp_path, environment=environment, ports={"6066": web, "6067": dashboard}
    ) as run:
        yield run


def test_the_services_work_together_and_their_health_checks_know(compose: ComposeRun) -> None:
    """From `init` to decrypted events by the file's own commands; a check that is always good would say nothing."""
    assert not compose.is_healthy("producer")
    compose.run("init")
    assert not compose.is_healthy("rotator")
    assert not compose.is_healthy("enricher-1")
    compose.start("rotator")
    compose.start("enricher-1", AEGIS_WEB_PORT=compose.text("6066"))
    compose.start("dashboard")
    compose.run("producer", ["produce", "--generate", "20", "--quiet"])
    for service in ("producer", "rotator", "enricher-1", "dashboard", "reader"):
        compose.until_healthy(service)
    read = compose.run("reader", ["consume", "--quiet", "--count", "20"])
    assert len([json.loads(line) for line in read.splitlines()]) == 20

"""A deployment with agent, enrichers and `aegis dashboard`, each a process of its own, on a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer

from tests.support.control_topic import make_topic
from tests.support.enricher_process import EnricherProcess
from tests.support.operators import Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

START_S = 60
STOP_S = 30
PARTITIONS = 2


@dataclass(frozen=True, slots=True)
class DashboardStage:
    """What runs: where the page is, and who else."""

    place: Place
    raw: str
    url: str
    process: subprocess.Popen[bytes]
    enrichers: Sequence[EnricherProcess]
    headers: Mapping[str, str]

    def get(self, path: str) -> bytes:
        """Return a page's body."""
        request = urllib.request.Request(self.url + path, headers=dict(self.headers))  # noqa: S310 - this machine
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            body: bytes = answer.read()
        return body

    def sections(self) -> dict[str, Any]:
        """Return what the page shows now."""
        sections: dict[str, Any] = json.loads(self.get("/api/state"))["sections"]
        return sections

    def until(self, reached: Callable[[dict[str, Any]], object], *, timeout_s: float = 60.0) -> dict[str, Any]:
        """Poll until the sections are as they must become."""
        end = time.monotonic() + timeout_s
        while True:
            sections = self.sections()
            if {"commands", "dead_letters", "enrichers"} <= sections.keys() and reached(sections):
                return sections
            assert time.monotonic() < end, sections
            time.sleep(0.1)

    def send(self, values: Sequence[bytes]) -> None:
        """Write raw records, over both partitions in turn."""

        async def write() -> None:
            async with AIOKafkaProducer(bootstrap_servers=self.place.operator["AEGIS_BROKER"]) as producer:
                for number, value in enumerate(values):
                    await producer.send(self.raw, value, partition=number % PARTITIONS)

        asyncio.run(write())


def clean_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings and no others."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    return {**inherited, **variables}


@contextmanager
def dashboard_stage(
    kafka: str, folder: Path, name: str, *, enrichers: int = 1, token: str | None = None
) -> Iterator[DashboardStage]:
    """Run everything; the dashboard must end in good order."""
    topics = {"AEGIS_TOPIC_RAW": f"raw.{name}", "AEGIS_TOPIC_DEAD_LETTER": f"dead.{name}"}
    for topic in topics.values():
        asyncio.run(make_topic(kafka, topic, partitions=PARTITIONS))
    topics["AEGIS_TOPIC_DEAD_LETTER_STATE"] = f"state.{name}"
    asyncio.run(make_topic(kafka, topics["AEGIS_TOPIC_DEAD_LETTER_STATE"], cleanup_policy="compact"))
    place = Place.make(kafka, folder, name)
    place.operator.update(topics)
    of_enrichers = {
        **place.operator,
        "AEGIS_SESSION_SIGNING_KEY_FILE": str(folder / "keys" / "session-signing-enricher.key"),
        "AEGIS_PSEUDONYM_KEY_FILE": str(folder / "keys" / "pseudonym.key"),
        "AEGIS_APPLICATION_ID": f"app-{name}"[:90],
    }
    with ExitStack() as stack:
        stack.enter_context(running_agent(place))
        running = [
            stack.enter_context(
                EnricherProcess(
                    {**of_enrichers, "AEGIS_STATE_DIR": str(folder / f"state-{number}")},
                    log=folder / f"enricher-{number}.log",
                )
            )
            for number in range(enrichers)
        ]
        for each in running:
            each.until_ready()
        addresses = [f"--enricher=http://127.0.0.1:{each.port}" for each in running]
        variables = place.operator | ({} if token is None else {"AEGIS_DASHBOARD_TOKEN": token})
        log = folder / "dashboard.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "aegis_stream", "dashboard", "--port", "0", *addresses],
                env=clean_environment(variables),
                stdout=file,
                stderr=file,
            )
        try:
            url = _address(process, log)
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            yield DashboardStage(place, topics["AEGIS_TOPIC_RAW"], url, process, running, headers)
            process.terminate()
            assert process.wait(STOP_S) == 0, log.read_text()
            assert "Traceback" not in log.read_text()
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the process says where it is."""
    end = time.monotonic() + START_S
    while True:
        found = re.search(r"dashboard on (http://\S+)/\n", log.read_text())
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end
        time.sleep(0.05)

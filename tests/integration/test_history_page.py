"""docs/history.md: every line runs as it stands, on a real Kafka with a running agent."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.command_client import CommandClient
from aegis_stream.encryption import PIIEncryptor, Protected
from aegis_stream.keyring.entries import DekState, KeyState
from aegis_stream.session_signer import SessionSigner
from aegis_stream.settings import load_settings
from aegis_stream.wire import b64decode
from tests.support.command_line import CommandLine
from tests.support.history import event
from tests.support.operators import Operators, Place, running_agent
from tests.support.quick_aegis import QuickAegis

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).parents[2] / "docs" / "history.md").read_text("utf-8")
LINES = re.findall(r"^ {4}\$ (.+)$", PAGE, re.MULTILINE)
EVENTS = 40


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Make a deployment whose agent runs."""
    made = Place.make(kafka, tmp_path_factory.mktemp("history"), f"history-{os.getpid()}-{time.time_ns()}")
    with running_agent(made):
        yield made


@pytest.fixture(scope="module")
def aegis_folder() -> Iterator[Path]:
    """Make an `aegis` that starts quickly."""
    with tempfile.TemporaryDirectory(prefix="aegis-") as folder, QuickAegis(Path(folder)) as quick:
        yield quick.folder


async def write_events(place: Place) -> None:
    """Write what the deployment's enricher would have written under its first DEK, one of them twice."""
    async with CommandClient(load_settings()) as client:
        active = client.manifest.active
        public_key = client.records[active.version.text].public_key
    seed = b64decode((place.folder / "keys" / "session-signing-enricher.key").read_text().strip())
    encryptor = PIIEncryptor(
        public_key=public_key, dek_version=active.version.text, signer=SessionSigner.from_seed(seed)
    )
    sources = [f"raw/{number % 2}/{number // 2}" for number in range(EVENTS)]
    made = encryptor.protect_batch([orjson.dumps(event(number)) for number in range(EVENTS)], sources=sources)
    values = [result.value for result in made if isinstance(result, Protected)]
    async with AIOKafkaProducer(bootstrap_servers=place.operator["AEGIS_BROKER"], enable_idempotence=True) as producer:
        for number, value in [*enumerate(values), (EVENTS - 1, values[-1])]:
            await producer.send_and_wait(place.operator["AEGIS_TOPIC_ENCRYPTED"], value, partition=number % 2)


@pytest.mark.timeout(300)
def test_the_page_runs_as_it_stands(
    place: Place, aegis_folder: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Old history under a new DEK, the old DEK destroyed, and every event readable all the while, once."""
    operators = Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)
    asyncio.run(write_events(place))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    environ |= {
        "PATH": str(aegis_folder) + os.pathsep + environ["PATH"],
        "AEGIS_STATE_DIR": str(place.folder / "state"),
        "COLUMNS": "200",
    }
    script = "set -euo pipefail\n" + "\n".join(LINES)
    ended = subprocess.run(
        ["/bin/bash", "-c", script], cwd=place.folder, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, (ended.stdout[-2_000:], ended.stderr[-4_000:])
    assert "41 records under dek-v1" in ended.stderr
    assert "refused, as it must be" in ended.stdout
    assert "the account adds up" in ended.stdout
    assert "nothing was refused" in ended.stdout
    assert "it is active" in ended.stdout

    for name in ("moved", "after"):
        read = [orjson.loads(line) for line in (place.folder / f"{name}.jsonl").read_bytes().splitlines()]
        assert sorted(read, key=lambda each: each["n"]) == [event(number) for number in range(EVENTS)]
    manifest, standings = operators.see()
    assert [entry.state for entry in manifest.deks] == [DekState.DESTROYED, DekState.ACTIVE]
    assert [entry.state for entry in manifest.enrichers] == [KeyState.CURRENT, KeyState.RETIRED]
    results = [standing.result for standing in standings.values()]
    assert {result.outcome.value for result in results if result} == {"executed"}
    assert all("forced" not in result.message for result in results if result)

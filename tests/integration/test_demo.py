"""`aegis demo`, as a newcomer runs it: without a terminal, on its own broker and on a real Kafka."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from aegis_stream.cli._demo import broker
from aegis_stream.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND = [sys.executable, "-m", "aegis_stream", "demo", "--events", "200"]
STEPS = ("Broker", "Topics", "Keys", "Processes", "Events", "One of them", "Read back", "Attack", "Done")


def environment(folder: Path, **more: str) -> Mapping[str, str]:
    """Return the tests' environment without settings of ours, with a folder of its own for temporary files."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    return {**plain, "TMPDIR": str(folder), **more}


def played(folder: Path, **more: str) -> str:
    """Run the demo to its end and return what it printed."""
    done = subprocess.run(
        COMMAND, env=environment(folder, **more), capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def processes_of(text: str) -> list[int]:
    """Return the ids of rotator and enricher."""
    found = re.search(r"rotator \((\d+)\) and enricher \((\d+)\)", text)
    assert found is not None, text
    return [int(number) for number in found.groups()]


def lives(process: int) -> bool:
    """Tell whether there is such a process, and no mere entry of one that has ended."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_the_demo_needs_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """The first thing anybody runs: every step, the right end, no process and no file left."""
    text = played(tmp_path)

    assert re.findall(r"^● (\w[\w ]*?)  ", text, re.MULTILINE) == list(STEPS)
    assert "200 of 200 events, each once" in text
    assert "refused: tag at /requested_by" in text
    assert not any(lives(process) for process in processes_of(text))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.kafka
async def test_the_demo_runs_on_a_kafka_of_ones_own(kafka: str, tmp_path: Path) -> None:
    """With AEGIS_BROKER it makes topics of its own names there and takes them away."""
    text = played(tmp_path, AEGIS_BROKER=kafka, AEGIS_TOPIC_RAW="somebodys.topic", AEGIS_PSEUDONYM_KEY="unused")
    name = re.search(r"(demo-[0-9a-f]+)\.raw", text)

    assert "(yours)" in text
    assert name is not None
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    left = [topic for topic in await admin.list_topics() if topic.startswith(name[1])]
    await admin.close()
    assert left == []


def test_an_interrupted_demo_ends_its_processes(tmp_path: Path) -> None:
    """An end in the middle, by Ctrl-C or as here by SIGTERM, must not leave an enricher behind."""
    with subprocess.Popen(
        [*COMMAND[:2], "aegis_stream", "demo", "--events", "20000"],
        env=environment(tmp_path, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        text = ""
        while "enricher (" not in text:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        process.terminate()
        _, told = process.communicate(timeout=60)

    assert process.returncode == 130
    assert told == ""
    end = time.monotonic() + 5
    while any(lives(child) for child in processes_of(text)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(lives(child) for child in processes_of(text))
    assert list(tmp_path.iterdir()) == []


def test_without_its_broker_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional."""
    monkeypatch.setattr(broker, "find_spec", lambda name: None)  # noqa: ARG005 - the function's form
    with pytest.raises(ConfigurationError) as caught:
        broker._binary()
    assert "aegis-stream[demo]" in caught.value.remedy

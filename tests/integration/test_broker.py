"""The broker that the other tests stand on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from tests.integration.conftest import create_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.kafka import RestartableBroker

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.kafka


async def test_records_outlive_a_crash_of_the_broker(
    kafka_server: RestartableBroker, topic_name: Callable[[str], str]
) -> None:
    """Chaos tests restart the broker: if it came back empty or elsewhere they would prove nothing."""
    topic = topic_name("crash")
    await create_topic({"bootstrap_servers": kafka_server.bootstrap}, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"kept")
    kafka_server.restart(hard=True)
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka_server.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        record = await consumer.getone()
    assert record.value == b"kept"


def test_a_killed_session_leaves_nothing_behind() -> None:
    """A test run that is killed cannot clean up; a broker left running would hold its memory for days."""
    script = (
        "from tools.kafka import KafkaServer; k = KafkaServer().start(); print(k.pid, k.folder, flush=True); input()"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    with session:
        assert session.stdout is not None
        pid, folder = session.stdout.readline().split()
        assert is_running(int(pid))
        session.kill()
    deadline = time.monotonic() + 10
    while (is_running(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(pid))
    assert not Path(folder).exists()


def is_running(pid: int) -> bool:
    """Tell whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True

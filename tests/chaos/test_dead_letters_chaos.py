"""Replays that are killed at any moment, and a broker that dies beneath one: no letter twice, none left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.enrichment import RawRecord
from tests.support.letters import LetterStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.kafka import RestartableBroker

pytestmark = [pytest.mark.kafka, pytest.mark.chaos, pytest.mark.timeout(900)]

ENDED_S = 120.0
COMMAND = """
import sys
from aegis_stream.cli import main
from aegis_stream.client.dead_letters import batches, desk

batches.BATCH_LETTERS = 20
desk.SETTLE_S = 2.0  # nothing of a process on this machine is under way for longer
sys.exit(main(sys.argv[1:]))
"""


@contextlib.contextmanager
def replay(stage: LetterStage) -> Iterator[subprocess.Popen[bytes]]:
    """Run `aegis dead-letters replay --all` and kill what is left of it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    command = [sys.executable, "-c", COMMAND, "dead-letters", "replay", "--all", "--yes", "--json"]
    with subprocess.Popen(command, env=environ | stage.operator(kek=True), stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


async def until_grown(stage: LetterStage, process: subprocess.Popen[bytes], count: int) -> None:
    """Wait until more than `count` records were replayed, or the command has ended."""
    deadline = time.monotonic() + ENDED_S
    while process.poll() is None and len(await stage.replayed()) <= count:
        assert time.monotonic() < deadline


async def test_no_letter_is_replayed_twice_whatever_dies(
    kafka_server: RestartableBroker, topic_name: Callable[[str], str], tmp_path: Path, *, long_chaos: bool
) -> None:
    """Killed at a random moment again and again, the broker once: in the end each record is there once, in order."""
    kills = 15 if long_chaos else 2
    stage = LetterStage({"bootstrap_servers": kafka_server.bootstrap}, topic_name("letters"), tmp_path)
    await stage.create_all()
    records = [RawRecord(value=b"%d" % number, partition=number % 2) for number in range(300 * (kills + 2))]
    await stage.bury(records)
    dice = random.Random(7)  # noqa: S311 - moments of kills
    for _ in range(kills):
        with replay(stage) as process:
            await until_grown(stage, process, len(await stage.replayed()))
            await asyncio.sleep(dice.uniform(0, 0.1))
    with replay(stage) as process:
        await until_grown(stage, process, len(await stage.replayed()))
        await asyncio.to_thread(kafka_server.restart, hard=True)
        await asyncio.to_thread(process.communicate, None, ENDED_S)
    with replay(stage) as process:
        out, _ = await asyncio.to_thread(process.communicate, None, ENDED_S)
    assert process.returncode == 0
    assert orjson.loads(out)["refused"] == 0
    replayed = await stage.replayed()
    for partition in (0, 1):
        values = [record.value for record in replayed if record.partition == partition]
        assert values == [record.value for record in records if record.partition == partition]

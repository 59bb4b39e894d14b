"""`aegis run reencryptor` as a process that is killed, and what `aegis` says of history."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.topics.history import create_history_topics
from tests.support.command_line import CommandLine
from tests.support.enrichment import Stage, utc_now
from tests.support.history import History, ReencryptorProcess, event, kept, make_topic, of_partition, reader_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]  # with the long trials, outside `make test`

EVENTS = 300


async def begun(kafka: str, name: str, folder: Path, count: int) -> tuple[Stage, History, str]:
    """Make a deployment with events under its first version, and the new topic; returns its name, too."""
    stage = Stage({"bootstrap_servers": kafka}, name, folder)
    await stage.create()
    history = History(stage)
    await history.write(count)
    await create_history_topics(stage.connection, source=stage.encrypted, target=f"{stage.encrypted}-2")
    return stage, history, f"{stage.encrypted}-2"


@pytest.mark.timeout(180)
async def test_killed_midway_it_goes_on_and_loses_and_doubles_nothing(
    kafka: str,
    topic_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """SIGKILL wherever it is, a second start, then every event once, in its place, readable with `aegis consume`."""
    stage, history, target = await begun(kafka, topic_name("k"), tmp_path, EVENTS)
    second = await history.rotate()
    environment = reader_environment(stage)
    with ReencryptorProcess(environment, "--to", target, "--batch", "20", "--max-rate", "150") as process:
        seen = await asyncio.to_thread(process.kill_after, 100)
    with ReencryptorProcess(environment, "--to", target) as process:
        account = await asyncio.to_thread(process.account)
    assert 100 <= seen["read"] < EVENTS
    assert (account["read"], account["reencrypted"], account["kept"], account["refused"]) == (EVENTS, EVENTS, 0, {})
    assert account["adds_up"]
    assert account["complete"]
    assert account["under"] == [second]

    new = [record for record in await stage.read_all(target) if record.partition < stage.partitions]
    assert len(new) == EVENTS
    for partition in range(stage.partitions):
        assert of_partition(new, partition) == kept(history.written, partition)
    for name, value in (environment | {"AEGIS_TOPIC_ENCRYPTED": target}).items():
        monkeypatch.setenv(name, value)
    aegis = CommandLine(monkeypatch, capsysbinary)
    consumed = await asyncio.to_thread(aegis, "consume", "--count", EVENTS, "--quiet")
    assert consumed.code == 0
    read = [orjson.loads(line) for line in consumed.out.splitlines()]
    assert sorted(read, key=lambda each: each["n"]) == [event(number) for number in range(EVENTS)]
    for partition in range(2):
        mine = [each["n"] for each in read if each["n"] % 2 == partition]
        assert mine == sorted(mine)


async def audit(aegis: CommandLine, *options: str) -> dict[str, Any]:
    """Run `aegis history audit --json`."""
    ended = await asyncio.to_thread(aegis, "history", "audit", "--json", *options)
    assert ended.code == 0, ended
    found: dict[str, Any] = orjson.loads(ended.out)
    return found


async def test_audit_counts_by_version_without_a_key(
    kafka: str,
    topic_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """What is past its retention is owed to nobody; what is within it says when; for ever means never."""
    stage, history, target = await begun(kafka, topic_name("a"), tmp_path, 4)
    first = stage.deployment.active
    second = await history.rotate()
    await history.write(3)
    for name, value in (stage.environment() | {"COLUMNS": "200"}).items():
        monkeypatch.setenv(name, value)
    aegis = CommandLine(monkeypatch, capsysbinary)
    found = await audit(aegis)
    (topic,) = [each for each in found["topics"] if each["topic"] == stage.encrypted]
    assert {name: tally["records"] for name, tally in topic["by_version"].items()} == {first: 4, second: 3}
    week_s = topic["retention_ms"] // 1000
    versions = {each["version"]: each for each in found["versions"]}
    assert (versions[first]["state"], versions[first]["destroyable"]) == ("decrypt-only", "later")
    assert versions[second]["destroyable"] == "active"
    last = history.began_ms // 1000 + 3 + week_s
    at = versions[first]["destroyable_at"]
    assert at.endswith("Z")
    assert abs(_seconds(at) - last) <= 1

    kept_for_ever = f"{stage.name}.kept"
    await make_topic(stage.connection, kept_for_ever, 2, retention_ms="-1")
    async with AIOKafkaProducer(**stage.connection) as producer:
        value = next(one.value for one in history.written if one.value is not None)
        await producer.send_and_wait(kept_for_ever, value)
    found = await audit(aegis, "--topic", kept_for_ever, "--topic", target)
    assert {each["topic"] for each in found["topics"]} == {stage.encrypted, kept_for_ever, target, f"{target}.refused"}
    versions = {each["version"]: each for each in found["versions"]}
    assert (versions[first]["remaining"], versions[first]["destroyable"]) == (5, "never")

    past_ms = int((utc_now().timestamp() - week_s - 86_400) * 1000)
    await history.put([replace(one, timestamp_ms=past_ms) for one in history.written[:4]])
    found = await audit(aegis)
    (topic,) = [each for each in found["topics"] if each["topic"] == stage.encrypted]
    assert (topic["by_version"][first]["records"], topic["by_version"][first]["past_retention"]) == (8, 4)
    shown = await asyncio.to_thread(aegis, "history", "audit")
    assert shown.code == 0
    assert "or after `aegis run reencryptor`" in shown.out.decode()


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())

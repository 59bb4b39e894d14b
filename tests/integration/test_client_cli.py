"""produce, consume, encrypt and decrypt against a running deployment: what an operator types, on a real Kafka."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.cli._demo.deployment import Deployment
from aegis_stream.client import open_consumer
from aegis_stream.generator import generate_events
from aegis_stream.settings import load_settings
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka

EVENTS = list(generate_events(seed=11, count=300))
LINES = b"".join(orjson.dumps(event) + b"\n" for event in EVENTS)


class Deployed(NamedTuple):
    """A running deployment: rotator and enricher, and the folder of its keys."""

    deployment: Deployment
    folder: Path


@pytest.fixture(scope="module")
def deployed(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Make topics and keys, and run both processes for all tests here."""
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("deployment")
    deployment = Deployment(folder, kafka)
    deployment.make_topics()
    deployment.make_keys()
    with asyncio.Runner() as runner:
        processes = deployment.processes()
        runner.run(processes.__aenter__())
        yield Deployed(deployment, folder)
        runner.run(processes.__aexit__(None, None, None))
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def as_role(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[[str], CommandLine]:
    """Return a maker of command lines with the environment of a role of `keys init`."""

    def make(role: str) -> CommandLine:
        for name in [name for name in os.environ if name.startswith("AEGIS_")]:
            monkeypatch.delenv(name)
        for name, value in deployed.deployment.environment_of(role).items():
            if name.startswith("AEGIS_"):
                monkeypatch.setenv(name, value)
        return CommandLine(monkeypatch, capsysbinary)

    return make


def test_what_is_produced_is_consumed_whole_and_once(as_role: Callable[[str], CommandLine], tmp_path: Path) -> None:
    """The main job as an operator sees it: a file in, the same events out, in order within a workflow."""
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(LINES)
    produced = as_role("operator")("produce", "--in", source)
    assert produced.code == 0
    assert produced.err.startswith("aegis: 300 events written to demo-")

    consumed = as_role("reader")("consume", "--count", 300, "--out", target)
    assert (consumed.code, consumed.err) == (0, "aegis: 300 events\n")
    read = [orjson.loads(line) for line in target.read_bytes().splitlines()]
    by_id = {event["event_id"]: event for event in read}
    assert by_id == {event["event_id"]: event for event in EVENTS}
    for workflow in {event["workflow_id"] for event in EVENTS}:
        assert [event for event in read if event["workflow_id"] == workflow] == [
            event for event in EVENTS if event["workflow_id"] == workflow
        ]


def test_a_group_goes_on_where_it_stopped(as_role: Callable[[str], CommandLine]) -> None:
    """Two calls of one group read different events; metadata says where each came from."""
    as_role("operator")("produce", "--generate", 20, "--seed", 5)
    reader = as_role("reader")
    options = ("consume", "--group", f"{os.environ['AEGIS_READER_GROUP']}-two", "--metadata")
    first = reader(*options, "--count", 7)
    second = reader(*options, "--count", 6)
    places = [(line["partition"], line["offset"]) for line in map(orjson.loads, (first.out + second.out).splitlines())]

    assert (first.code, second.code) == (0, 0)
    assert len(set(places)) == 13
    line = orjson.loads(first.out.splitlines()[0])
    assert line["topic"] == load_settings().topic_encrypted
    assert line["source"].startswith(load_settings().topic_raw + "/")
    assert line["dek_version"].startswith("dek-v1-")


def test_a_refused_record_ends_consume_unless_it_may_put_it_aside(
    as_role: Callable[[str], CommandLine], tmp_path: Path
) -> None:
    """Nothing is passed over in silence: exit code 1 either way."""
    reader = as_role("reader")
    group = ("--group", f"{os.environ['AEGIS_READER_GROUP']}-three")
    settings = load_settings()

    async def forge() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=settings.broker)
        await producer.start()
        for partition in (0, 1):
            await producer.send_and_wait(settings.topic_encrypted, b'{"actor_id":"canary"}', partition=partition)
        await producer.stop()

    asyncio.run(forge())
    stopped = reader("consume", *group, "--idle", 30)
    assert stopped.code == 1
    assert f"aegis: error: {settings.topic_encrypted}/" in stopped.err
    assert "not-protected" in stopped.err

    aside = tmp_path / "refused.jsonl"
    went_on = reader("consume", *group, "--idle", 3, "--refused", aside)
    assert went_on.code == 1
    assert went_on.err.endswith(", 2 refused\n")
    assert "canary" not in went_on.err
    refused = [orjson.loads(line) for line in aside.read_bytes().splitlines()]
    assert [(line["reason"], line["path"]) for line in refused] == [("not-protected", "")] * 2


def test_files_are_encrypted_and_decrypted_under_the_deployments_keys(as_role: Callable[[str], CommandLine]) -> None:
    """Version, policy and signature come from the manifest; the enricher's role has no key to read with."""
    enricher = as_role("enricher")
    encrypted = enricher("encrypt", stdin=LINES)
    assert encrypted.code == 0
    head = orjson.loads(encrypted.out.splitlines()[0])["_aegis"]
    assert {"by", "sig"} <= head.keys()
    refused = enricher("decrypt", stdin=encrypted.out)
    assert (refused.code, refused.out) == (2, b"")
    assert "no KEK is configured" in refused.err

    decrypted = as_role("reader")("decrypt", "--quiet", stdin=encrypted.out)
    assert decrypted == (0, LINES, "")
    unsigned = as_role("operator")("encrypt", stdin=LINES)
    assert (unsigned.code, unsigned.out) == (2, b"")
    assert "AEGIS_SESSION_SIGNING_KEY is not set" in unsigned.err


def test_a_line_that_is_no_raw_event_stops_produce_by_its_number(as_role: Callable[[str], CommandLine]) -> None:
    """The rest of its batch is not written either, and nothing of it is quoted."""
    operator = as_role("operator")
    for line, told in (
        (b'{"event_id":"canary"}', "line 3: event against its schema: required at /event_type"),
        (b"canary", "line 3: event refused: not-json"),
    ):
        ended = operator("produce", stdin=LINES[: LINES.index(b"\n") + 1] + b"\n" + line + b"\n")
        assert (ended.code, ended.err.splitlines()[0]) == (1, f"aegis: error: {told}")
        assert "canary" not in ended.err

    free = operator("produce", "--no-validate", "--key", "", "--rate", 50, stdin=b'{"anything":1}\n' * 10)
    assert (free.code, free.err[:27]) == (0, "aegis: 10 events written to")
    both = operator("produce", "--generate", 5, "--in", "x.jsonl")
    assert both.code == 2


def test_a_broker_that_is_away_is_exit_code_3(
    as_role: Callable[[str], CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script tries again then."""
    for role, command in (("operator", ("produce", "--generate", 1)), ("reader", ("consume", "--count", 1))):
        aegis = as_role(role)
        monkeypatch.setenv("AEGIS_BROKER", "127.0.0.1:1")
        ended = aegis(*command)
        assert (ended.code, ended.out) == (3, b"")
        assert "Traceback" not in ended.err


async def test_a_reader_of_ones_own_is_one_call(as_role: Callable[[str], CommandLine]) -> None:
    """What an application writes: settings, `async with`, `async for`."""
    as_role("reader")
    settings = load_settings()
    seen = []
    async with open_consumer(settings, group=f"{settings.reader_group}-own") as consumer:
        async with asyncio.timeout(60):
            async for received in consumer:
                seen.append(received.event["event_id"])
                if len(seen) == 50:
                    break

    assert len(set(seen)) == 50

"""`aegis run enricher` as a process: exit codes, pages, signals, and what never leaves it."""

from __future__ import annotations

import base64
import json
import signal
import socket
import urllib.parse
from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.pii import PII_FIELDS
from tests.support.enricher_process import EnricherProcess
from tests.support.enrichment import RawRecord, Stage
from topologies.death import EXIT_DIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture
def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Return a deployment whose topics are not yet made."""
    return Stage({"bootstrap_servers": kafka}, topic_name("p"), tmp_path / "state")


@pytest.fixture
def process(stage: Stage, tmp_path: Path) -> Iterator[EnricherProcess]:
    """Return an enricher that is not yet started; it is killed at the end."""
    with_home = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    made = EnricherProcess(stage.environment(**with_home), log=tmp_path / "enricher.log")
    yield made
    made.__exit__()


def event(number: int) -> bytes:
    """Return a raw event."""
    return orjson.dumps({"event_id": f"e-{number}", "actor_id": f"actor-{number}", "n": number})


async def test_it_tells_that_it_is_ready_and_stops_on_sigterm(stage: Stage, process: EnricherProcess) -> None:
    """Orchestrators ask the pages and send SIGTERM; exit code 0 means that all that was begun is committed."""
    await stage.create()
    await stage.send([event(n) for n in range(100)])
    process.start().until_ready()
    await stage.until_committed(100)
    assert process.facts("/ready")["dek_version"] == stage.deployment.active
    assert process.get("/health")[0] == 200
    assert process.get("/live")[0] == 200
    assert process.get("/")[0] != 500
    metrics = process.get("/metrics")[1].decode()
    assert "aegis_enricher_events_total 100.0" in metrics
    assert "process_resident_memory_bytes" in metrics
    assert process.stop() == 0
    lines = [json.loads(line) for line in process.said().splitlines()]
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)
    assert not [line for line in lines if line["level"] in {"error", "critical"}]
    assert sum((await stage.committed()).values()) == len(await stage.read(stage.encrypted, 100)) == 100


async def test_it_waits_not_ready_for_the_first_manifest_and_stops_while_it_waits(
    stage: Stage, process: EnricherProcess
) -> None:
    """The order in which a deployment starts its parts must not matter."""
    await stage.create(control=False)
    process.start()
    process.until(lambda: process.get("/ready")[0] == 503 and process.facts("/ready")["problem"] is not None)
    assert process.get("/health")[0] == 200
    assert process.facts("/ready")["keys"] == "reading-control-topic"
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"AEGIS_BROKER": "127.0.0.1:1"}, 3, "cannot be reached"),
        ({"AEGIS_PSEUDONYM_KEY": "short"}, 2, "AEGIS_PSEUDONYM_KEY"),
    ],
)
def test_what_keeps_it_from_starting_is_said_with_an_exit_code(
    stage: Stage, tmp_path: Path, change: dict[str, str], code: int, said: str
) -> None:
    """2 is for the operator's configuration, 3 for Kafka: a supervisor may try the latter again."""
    with EnricherProcess(stage.environment(**change), log=tmp_path / "log") as process:
        assert process.ended() == code
        assert said in process.said()
        assert "aegis: hint:" in process.said()


async def test_a_port_in_use_is_said(stage: Stage, process: EnricherProcess) -> None:
    """Two enrichers on one machine need two ports."""
    await stage.create()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", process.port))
        taken.listen()
        assert process.start().ended() == EXIT_DIED
    last = json.loads(process.said().splitlines()[-1])
    assert last["event"] == "crashed"
    assert "address already in use" in last["error"]


async def test_debugging_signals_open_nothing(stage: Stage, process: EnricherProcess) -> None:
    """Faust's worker would open a debugger, or print the stacks of all threads."""
    await stage.create(control=False)
    process.start()
    process.until(lambda: process.get("/ready")[0] == 503)
    process.running.send_signal(signal.SIGUSR2)
    assert process.ended() == -signal.SIGUSR2


async def test_a_dead_letter_too_large_for_its_topic_ends_it_before_the_commit(
    stage: Stage, process: EnricherProcess
) -> None:
    """The record stays on the raw topic and is done once the operator has raised the limit."""
    stage.dead_letter_bytes = 10_000
    await stage.create()
    await stage.send([event(0)])
    process.start()
    await stage.until_committed(1)
    await stage.send([b"no json " * 2_000, event(1)])
    assert process.ended() == EXIT_DIED
    last = json.loads(process.said().splitlines()[-1])
    assert (last["event"], last["error"], last["stage"]) == ("died", "BrokerError", "protect")
    assert f"{stage.raw}/0/1" in last["detail"]
    assert "max.message.bytes" in last["remedy"]
    assert await stage.committed() == {0: 1}


CANARY = "Zyx-canary-7f3a9"


def canary(name: str) -> str:
    """Return an unmistakable value."""
    return f"{CANARY}-{name}@example.org"


def disguises(text: str) -> list[bytes]:
    """Return the forms in which a value may hide: as it is, escaped, in hex, in base64 at each alignment."""
    raw = text.encode()
    shifted = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, urllib.parse.quote(text, safe="").encode(), raw.hex().encode(), raw[::-1], *shifted]


def revealing(key: bytes) -> list[RawRecord]:
    """Return records that hold canaries wherever a producer can put one."""
    person = canary("actor_id")
    governance = {name: canary(name) for name in PII_FIELDS}
    nested = {"outer": [{"actorId": person}], "workflow_id": {"deep": [canary("deep")]}, "signer_id": canary("list")}
    header = (("who", person.encode()), (person, b"name"), ("trace", b"abc"))
    poison = canary("poison").encode()
    return [
        RawRecord(value=orjson.dumps(governance), key=key, headers=header),
        RawRecord(value=orjson.dumps({"event_id": "n", **nested}), key=key, headers=header),
        RawRecord(value=b'{"actor_id":"' + poison, key=poison, headers=header),
        RawRecord(value=poison + b"\xff", key=poison),
        RawRecord(value=orjson.dumps({"_aegis": canary("aegis"), "actor_id": person}), headers=header),
        RawRecord(value=orjson.dumps({"event_id": "i" * 70_000, "actor_id": person}), headers=header),
        RawRecord(value=b'{"n":1e999,"actor_id":"' + poison + b'"}'),
    ]


def files_under(folder: Path) -> bytes:
    """Return the content of every file."""
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("rule", ["pseudonym", "keep", "drop"])
async def test_no_value_is_found_anywhere_but_on_the_raw_topic(stage: Stage, tmp_path: Path, rule: str) -> None:
    """Values in all twelve fields, in the key and in headers; then topics, logs, metrics, error texts and files."""
    stage.dead_letter_bytes = 100_000
    await stage.create()
    places = {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "AEGIS_LOG_LEVEL": "debug", "AEGIS_RECORD_KEY": rule}
    with EnricherProcess(stage.environment(**places), log=tmp_path / "log") as process:
        await stage.send(revealing(canary("actor_id").encode()))
        process.until_ready()
        await stage.until_committed(7)
        pages = b"".join(process.get(path)[1] for path in ("/metrics", "/health", "/ready", "/", "/nowhere"))
        await stage.send([canary("last").encode() + b" " * 100_000])  # too large for the dead letters: it dies
        assert process.ended() == EXIT_DIED

    written = files_under(tmp_path)
    for topic in (stage.encrypted, stage.dead_letter, stage.control):
        for record in await stage.read_all(topic):
            headers = [part or b"" for name, value in record.headers for part in (name.encode(), value)]
            written += b"\0".join([record.key or b"", record.value or b"", *headers])
    assert len(await stage.read_all(stage.encrypted)) == 2
    assert len(await stage.read_all(stage.dead_letter)) == 5
    assert b"aegis_enricher_events_total 2.0" in pages
    assert b'"trace"' not in pages
    for name in (*PII_FIELDS, "deep", "list", "poison", "aegis", "last"):
        for form in disguises(canary(name)):
            assert form not in written + pages, name
    assert CANARY.encode() not in written + pages

"""`aegis dead-letters` on a real Kafka: what is shown to whom, and what a replay puts back."""

from __future__ import annotations

import asyncio
import io
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from aegis_stream.client.dead_letters import LetterState, batches, desk
from aegis_stream.errors import WriteReason
from tests.support.bad_names import builder_of
from tests.support.command_line import CommandLine
from tests.support.enricher_process import EnricherProcess
from tests.support.enrichment import RawRecord
from tests.support.letters import LetterStage

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text("utf-8")
LINES = re.findall(r"^ {4}\$ (.+)$", PAGE, re.MULTILINE)
CANARY = b"canary-7f3a"
RECORDS = [
    RawRecord(
        value=b'{"actor_id": "canary-7f3a"', key=b"key-canary-7f3a", headers=(("trace", b"00-ab"), ("null", None))
    ),
    RawRecord(value=b"\xff\xfe canary-7f3a", partition=1),
    RawRecord(value=b"second canary-7f3a", key=b"\x00\xff"),
    RawRecord(value=None, key=b"only a key canary-7f3a", partition=1, headers=(("a", b"1"), ("a", b"2"))),
]


@pytest.fixture
def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> LetterStage:
    """Make topics and keys."""
    made = LetterStage({"bootstrap_servers": kafka}, topic_name("letters").replace("[", "").replace("]", ""), tmp_path)
    asyncio.run(made.create_all())
    return made


@pytest.fixture
def as_operator(
    stage: LetterStage, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[[bool], CommandLine]:
    """Return a maker of command lines, with or without the KEK."""

    def make(kek: bool) -> CommandLine:  # noqa: FBT001 - with or without
        for name in [name for name in os.environ if name.startswith("AEGIS_")]:
            monkeypatch.delenv(name)
        for name, value in stage.operator(kek=kek).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "250")
        return CommandLine(monkeypatch, capsysbinary)

    return make


def test_reasons_counts_and_sources_are_told_without_a_key(
    stage: LetterStage, as_operator: Callable[[bool], CommandLine]
) -> None:
    """An operator without a KEK sees what there is to repair, and nothing that was in the records."""
    bad = asyncio.run(stage.bury(RECORDS[:3]))
    keyed = asyncio.run(stage.bury(RECORDS[3:], WriteReason.NO_VALUE, times=2))
    aegis = as_operator(False)  # noqa: FBT003 - without
    told = orjson.loads(aegis("dead-letters", "list", "--json").out)
    assert told["states"] == {"pending": 4}
    assert told["open_reasons"] == {"no-value": 1, "not-json": 3}
    assert [letter["id"] for letter in told["letters"]] == sorted(bad + keyed)
    assert {letter["id"]: letter["copies"] for letter in told["letters"]} == dict.fromkeys(bad, 1) | {keyed[0]: 2}
    assert {letter["dek_version"] for letter in told["letters"]} == {stage.deployment.active}
    table = aegis("dead-letters", "list", "--reason", "no-value")
    shown = aegis("dead-letters", "show", keyed[0])
    for ended in (table, shown):
        assert ended.code == 0
        assert keyed[0].encode() in ended.out
        assert bad[0].encode() not in ended.out
    assert b"open: 1 no-value, 3 not-json" in table.out
    assert CANARY not in table.out + shown.out

    for wrong in (("show", "9/9"), ("discard", "9/9", "--yes")):
        unknown = aegis("dead-letters", *wrong)
        assert (unknown.code, unknown.out) == (1, b"")
        assert "there is no such dead letter" in unknown.err


def test_payload_is_shown_with_the_kek_alone(stage: LetterStage, as_operator: Callable[[bool], CommandLine]) -> None:
    """Who may open events may open what was refused; nobody else, and nothing by accident."""
    ids = asyncio.run(stage.bury(RECORDS))
    closed = as_operator(False)("dead-letters", "show", ids[0], "--payload")  # noqa: FBT003 - without
    assert (closed.code, closed.out) == (2, b"")
    assert "no KEK is configured" in closed.err

    aegis = as_operator(True)  # noqa: FBT003 - with
    assert CANARY not in aegis("dead-letters", "show", ids[0], "--json").out
    opened = orjson.loads(aegis("dead-letters", "show", ids[0], "--payload", "--json").out)
    assert opened["record"] == {
        "key": "key-canary-7f3a",
        "value": '{"actor_id": "canary-7f3a"',
        "headers": [["trace", "00-ab"], ["null", None]],
    }
    told = aegis("dead-letters", "show", ids[0], "--payload").out.decode()
    assert 'record: {"key":"key-canary-7f3a","value":"{\\"actor_id\\"' in told
    short = ids[2].removeprefix(stage.raw + "/")
    binary = orjson.loads(aegis("dead-letters", "show", short, "--payload", "--json").out)
    assert binary["record"]["value"] == {"base64": "//4gY2FuYXJ5LTdmM2E="}


def test_replay_restores_each_record_once_and_in_order(
    stage: LetterStage, as_operator: Callable[[bool], CommandLine]
) -> None:
    """Same partition, key, value and headers; sealed twice, back once; a second replay does nothing."""
    ids = asyncio.run(stage.bury(RECORDS, times=2))
    before = {(one.partition, one.offset): one for one in asyncio.run(stage.read_all(stage.raw))}
    aegis = as_operator(True)  # noqa: FBT003 - with
    planned = aegis("dead-letters", "replay", "--all", "--dry-run")
    assert (planned.code, planned.out.count(b"to be replayed")) == (0, 4)
    assert asyncio.run(stage.replayed()) == []
    nobody = aegis("dead-letters", "replay", "--all")
    assert (nobody.code, nobody.out) == (2, b"")
    done = aegis("dead-letters", "replay", "--all", "--yes")
    assert done.code == 0, done.err
    assert done.err.endswith("aegis: 4 dead letters replayed, 0 refused\n")
    assert CANARY not in done.out + done.err.encode()

    replayed = asyncio.run(stage.replayed())
    assert [(one.partition, one.key, one.value, tuple(one.headers[:-1])) for one in replayed] == [
        (one.partition, one.key, one.value, tuple(one.headers)) for _, one in sorted(before.items())
    ]
    places = [f"{stage.raw}/{one.partition}/{one.offset}" for one in replayed]
    assert done.out.decode().splitlines() == [
        f"{one} replayed as {place}" for one, place in zip(sorted(ids), places, strict=True)
    ]

    again = aegis("dead-letters", "replay", "--all", "--yes", "--json")
    assert (again.code, orjson.loads(again.out)) == (0, {"done": 0, "refused": 0, "letters": []})
    named = aegis("dead-letters", "replay", ids[0], "--again", "--yes")
    assert named.code == 1
    assert "its state is replayed" in named.err
    listed = orjson.loads(aegis("dead-letters", "list", "--all", "--json").out)
    assert listed["states"] == {"replayed": 4}
    assert [letter["replayed_as"] for letter in listed["letters"]] == places
    assert len(asyncio.run(stage.replayed())) == 4


class Terminal(io.StringIO):
    """Where somebody is looking."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_discarded_letters_are_put_aside_until_they_are_named(
    stage: LetterStage, as_operator: Callable[[bool], CommandLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discarding needs no key, and is undone by name, not by `--all`; a terminal shows how far a replay is."""
    ids = asyncio.run(stage.bury(RECORDS))
    without = as_operator(False)  # noqa: FBT003 - without
    assert without("dead-letters", "discard", ids[0], "--note", "two\nlines", "--yes").code == 2
    assert without("dead-letters", "discard", ids[0], "--all", "--yes").code == 2
    ended = without("dead-letters", "discard", ids[0], ids[2], "--note", "test data", "--yes")
    assert (ended.code, ended.out.decode().splitlines()) == (0, [f"{ids[0]} discarded", f"{ids[2]} discarded"])
    assert b"note: test data" in without("dead-letters", "show", ids[0]).out
    assert without("dead-letters", "discard", ids[0], "--yes").code == 1

    aegis = as_operator(True)  # noqa: FBT003 - with
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        assert aegis("dead-letters", "replay", "--all", "--yes").code == 0
    drawn = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert re.search(r"replaying \S+ 2/2 2 letters, ", drawn)
    assert len(asyncio.run(stage.replayed())) == 2
    assert aegis("dead-letters", "replay", ids[0], "--yes").code == 1
    assert aegis("dead-letters", "replay", ids[0], "--again", "--yes").code == 0
    assert orjson.loads(aegis("dead-letters", "list", "--json").out)["states"] == {"discarded": 1, "replayed": 3}


def test_forged_letters_stop_nobody(stage: LetterStage, as_operator: Callable[[bool], CommandLine]) -> None:
    """Whoever may write to the topic can put anything there: it is counted or refused, and the rest goes on."""
    (good,) = asyncio.run(stage.bury(RECORDS[:1]))
    headers = [
        ("aegis-dek-version", stage.deployment.active.encode()),
        ("aegis-source", f"{stage.raw}/0/77".encode()),
        ("aegis-reason", b"not-json"),
    ]
    elsewhere = [headers[0], ("aegis-source", b"another.topic/0/5"), headers[2]]
    unknown_dek = [("aegis-dek-version", b"dek-v9-20260101"), ("aegis-source", f"{stage.raw}/1/5".encode()), headers[2]]

    async def forge() -> None:
        async with AIOKafkaProducer(**stage.connection) as producer:
            for key, value, these in (
                (None, b"\x11d" + bytes(1_200), headers),
                (None, b"\x11d" + bytes(1_200), elsewhere),
                (None, b"\x11d" + bytes(1_200), unknown_dek),
                (b"k", b"\x11d" + bytes(1_200), headers),
                (None, b"nothing", []),
            ):
                await producer.send_and_wait(stage.dead_letter, value, key=key, partition=0, headers=these)
            batch = producer.create_batch()
            batch._builder, batch._relative_offset = builder_of([(None, b"x", [(b"\xff\xfe", b"1")])]), 1
            await (await producer.send_batch(batch, stage.dead_letter, partition=0))

    asyncio.run(forge())
    aegis = as_operator(True)  # noqa: FBT003 - with
    ended = aegis("dead-letters", "replay", "--all", "--yes", "--json")
    assert ended.code == 1
    told = {letter["id"]: letter for letter in orjson.loads(ended.out)["letters"]}
    assert told[good]["outcome"] == "replayed"
    assert told[f"{stage.raw}/0/77"]["reason"] == "sealed"
    assert told["another.topic/0/5"]["reason"] == "other-topic"
    assert told[f"{stage.raw}/1/5"]["reason"] == "dek-unknown"
    assert orjson.loads(aegis("dead-letters", "list", "--json").out)["foreign_records"] == 3


async def pass_over(stage: LetterStage) -> None:
    """Let the enrichers' group stand behind what is on the raw topic, as if it had been read and refused."""
    places = [TopicPartition(stage.raw, number) for number in range(stage.partitions)]
    async with AIOKafkaConsumer(**stage.connection, group_id=stage.group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        await consumer.commit(await consumer.end_offsets(places))


def test_the_page_runs_as_it_stands_and_the_enricher_takes_what_it_had_refused(
    stage: LetterStage, as_operator: Callable[[bool], CommandLine], tmp_path: Path
) -> None:
    """The whole way, with the commands of docs/dead-letters.md: refused for a setting, repaired, and encrypted."""
    asyncio.run(stage.bury([RawRecord(value=None, key=b"actor-7")], WriteReason.NO_VALUE))
    asyncio.run(stage.bury([RawRecord(value=b"canary-7f3a")]))
    asyncio.run(pass_over(stage))
    assert len(LINES) == 9
    said = []
    with EnricherProcess(stage.environment(AEGIS_RECORD_KEY="pseudonym"), log=tmp_path / "enricher.log") as process:
        aegis = as_operator(False)  # noqa: FBT003 - without, until the page loads the reader's variables
        for line in LINES:
            if not line.startswith("aegis "):
                assert line == "set -a; . keys/reader.env; set +a"
                aegis = as_operator(True)  # noqa: FBT003 - with
                continue
            ended = aegis(*shlex.split(line)[1:])
            assert ended.code == 0, (line, ended.err)
            said.append(ended.out.decode() + ended.err)
        (record,) = asyncio.run(stage.read(stage.encrypted, 1))
        assert process.stop() == 0
    assert [number for number, text in enumerate(said) if "actor-7" in text] == [3]
    assert "canary-7f3a" not in "".join(said)
    assert (record.value, record.key is None, tuple(record.headers)) == (None, False, ())
    counts = orjson.loads(as_operator(False)("dead-letters", "list", "--json").out)["states"]  # noqa: FBT003 - without
    assert counts == {"discarded": 1, "replayed": 1}


def test_the_page_names_every_reason_and_state() -> None:
    """What an operator may meet must stand there."""
    cells = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|", PAGE, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)}
    assert named >= {reason.value for reason in WriteReason} | {state.value for state in LetterState}
    assert f"{desk.WRITE_S:g} seconds after" in PAGE
    assert f"waits {desk.SETTLE_S:g} seconds" in PAGE
    assert f"({batches.BATCH_LETTERS} letters" in PAGE

"""A replay that is killed at any step, or doubted, puts no letter back twice and leaves none behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from aegis_stream.client.dead_letters import Desk, LetterKeys, LetterState
from aegis_stream.client.dead_letters.raw_writer import RawWriter
from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError
from aegis_stream.keyring.reader_keys import ReaderKeys
from tests.support.enrichment import RawRecord
from tests.support.keyrings import PlainKek, offer
from tests.support.letters import LetterStage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from aegis_stream.client.dead_letters import Done
    from aegis_stream.client.dead_letters.raw_writer import Attempt

pytestmark = pytest.mark.kafka

RECORDS = [RawRecord(value=b"bad %d" % number, key=b"k%d" % number, partition=number % 2) for number in range(12)]

KILLED = """
import os, signal, sys
from aegis_stream.cli import main
from aegis_stream.client.dead_letters import raw_writer

written = raw_writer.RawWriter._written

async def half(self, attempts, partition):
    if partition == 1:
        await written(self, attempts[: len(attempts) // 2], partition)
        os.kill(os.getpid(), signal.SIGKILL)
    return await written(self, attempts, partition)

raw_writer.RawWriter._written = half
sys.exit(main(["dead-letters", "replay", "--all", "--yes"]))
"""


class CrashError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> LetterStage:
    """Make topics, keys, and twelve letters on two partitions."""
    made = LetterStage({"bootstrap_servers": kafka}, topic_name("kills").replace("[", "").replace("]", ""), tmp_path)
    await made.create_all()
    await made.bury(RECORDS)
    return made


def keys_of(stage: LetterStage) -> LetterKeys:
    """Return what opens the letters."""
    keyring = stage.deployment.keyring()
    for change in stage.published:
        offer(keyring, change)
    return LetterKeys(ReaderKeys(keyring, [PlainKek()]))


async def replay(stage: LetterStage, desk: Desk, *, again: bool = False) -> list[Done]:
    """Replay all open letters, as the command does."""
    survey = await desk.survey()
    chosen = survey.select(ids=(), topic=stage.raw, reasons=(), everything=True)
    done: list[Done] = []
    async with aclosing(desk.replay(await desk.settle(chosen), keys_of(stage), again=again)) as batches:
        async for batch in batches:
            done += batch
    return done


async def assert_each_once(stage: LetterStage) -> None:
    """All twelve stand on the raw topic once more, on their partitions, in their order."""
    replayed = await stage.replayed()
    for partition in (0, 1):
        values = [record.value for record in replayed if record.partition == partition]
        assert values == [record.value for record in RECORDS if record.partition == partition]
    async with Desk(stage.settings(), settle_s=0) as desk:
        survey = await desk.survey()
    assert survey.by_state == {LetterState.REPLAYED: 12}
    where = {each.letter.id: each.mark.replayed_offset for each in survey.standings if each.mark}
    originals = {record.value: record.offset for record in await stage.read_all(stage.raw) if record.offset < 6}
    for record in replayed:
        assert where[f"{stage.raw}/{record.partition}/{originals[record.value]}"] == record.offset


async def test_a_replay_that_ended_anywhere_is_finished_by_the_next(
    stage: LetterStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The marks before and after decide, and where they do not, what stands on the raw topic; three times in a row."""
    genuine = RawWriter._written
    for share, interrupted in ((0.0, 6), (0.5, 6), (1.0, 3)):

        async def dying(
            self: RawWriter, attempts: Sequence[Attempt], partition: int, share: float = share
        ) -> list[int]:
            await genuine(self, attempts[: int(share * len(attempts))], partition)
            raise CrashError

        with monkeypatch.context() as patch:
            patch.setattr(RawWriter, "_written", dying)
            with pytest.raises(CrashError):
                async with Desk(stage.settings(), settle_s=0) as desk:
                    await replay(stage, desk)
        async with Desk(stage.settings(), settle_s=0) as desk:
            assert (await desk.survey()).by_state[LetterState.INTERRUPTED] == interrupted
    async with Desk(stage.settings(), settle_s=0) as desk:
        done = await replay(stage, desk)
    assert [each.refusal for each in done] == [None] * 9
    await assert_each_once(stage)


async def test_a_killed_command_is_finished_by_the_next_one(stage: LetterStage) -> None:
    """The process itself, by SIGKILL between two records; the next waits until nothing of it can arrive any more."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    environ |= stage.operator(kek=True)
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", KILLED], env=environ, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert len(await stage.replayed()) == 9

    def told(seconds: float) -> None:
        assert 0 < seconds <= 3_600
        raise CrashError

    with pytest.raises(CrashError):
        async with Desk(stage.settings(), settle_s=3_600, on_wait=told) as desk:
            await replay(stage, desk)
    async with Desk(stage.settings(), settle_s=0) as desk:
        assert len(await replay(stage, desk)) == 6
    await assert_each_once(stage)


async def test_a_later_desk_takes_over_and_the_earlier_one_ends(stage: LetterStage) -> None:
    """Two operators at once: one is told, none is put back by both; the marks tell sources, states and times alone."""
    async with Desk(stage.settings(), settle_s=0) as early:
        survey = await early.survey()
        async with Desk(stage.settings(), settle_s=0) as late:
            with pytest.raises(BrokerError) as refused:
                async for _ in early.replay(survey.standings, keys_of(stage)):
                    pass
            assert refused.value.reason == BrokerReason.FENCED
            assert await stage.replayed() == []
            await replay(stage, late)
    await assert_each_once(stage)
    stage.partitions = 1
    marks = [orjson.loads(record.value) for record in await stage.read_all(stage.state)]
    assert [mark["state"] for mark in marks] == (["replaying"] * 6 + ["replayed"] * 6) * 2
    names = ("v", "letter", "state", "at", "attempt", "from_offset", "replayed_offset")
    assert {name for mark in marks for name in mark} == set(names)


async def test_nothing_is_written_after_the_deadline(stage: LetterStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was held up between mark and record must not write any more: another may have decided by then."""
    monkeypatch.setattr("aegis_stream.client.dead_letters.desk.WRITE_S", -1.0)
    async with Desk(stage.settings(), settle_s=0) as desk:
        with pytest.raises(BrokerUnavailableError):
            await replay(stage, desk)
    assert await stage.replayed() == []
    monkeypatch.undo()
    async with Desk(stage.settings(), settle_s=0) as desk:
        await replay(stage, desk)
    await assert_each_once(stage)


async def test_what_the_raw_topic_no_longer_tells_is_left_to_the_operator(
    stage: LetterStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted, and the retention of the raw topic has passed since: nobody can know, so nobody guesses."""
    with monkeypatch.context() as patch:

        async def dying(*_: object) -> list[int]:
            raise CrashError

        patch.setattr(RawWriter, "_written", dying)
        with pytest.raises(CrashError):
            async with Desk(stage.settings(), settle_s=0) as desk:
                await replay(stage, desk)
    await stage.send([RawRecord(value=b"later")])
    admin = AIOKafkaAdminClient(**stage.connection)
    await admin.start()
    try:
        await admin.delete_records({TopicPartition(stage.raw, 0): RecordsToDelete(before_offset=7)})
    finally:
        await admin.close()
    async with Desk(stage.settings(), settle_s=0) as desk:
        done = await replay(stage, desk)
        assert sorted(each.refusal.reason for each in done if each.refusal) == ["uncertain"] * 6
        assert len(await stage.replayed()) == 6
        ids = [each.letter.id for each in done if each.refusal]
        chosen = (await desk.survey()).select(ids=ids, topic=stage.raw, reasons=(), everything=False)
        async for _ in desk.replay(await desk.settle(chosen), keys_of(stage), again=True):
            pass
        assert (await desk.survey()).by_state == {LetterState.REPLAYED: 12}
    assert len(await stage.replayed()) == 12

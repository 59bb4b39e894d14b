"""The follower of the control topic, on a real broker."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from aegis_stream.client.follow import ControlFollower
from aegis_stream.errors import (
    BrokerReason,
    BrokerUnavailableError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.state_file import StateFile
from tests.support.control_topic import (
    delete_topic,
    make_topic,
    publish,
    transactional,
    until,
    write,
)
from tests.support.keyrings import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aegis_stream.client.control_session import ControlRecord
    from aegis_stream.keyring.keyring import Keyring

pytestmark = pytest.mark.kafka

TIMEOUT_S = 20.0


def now() -> dt.datetime:
    """Return the real time: the follower looks at the real clock."""
    return dt.datetime.now(dt.UTC)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment that begins now."""
    return Deployment(started=now())


@pytest.fixture
async def topic(kafka: str, topic_name: Callable[[str], str]) -> str:
    """Return a control topic that is there and empty."""
    name = topic_name("control")
    await make_topic(kafka, name, cleanup_policy="compact")
    return name


def following(kafka: str, topic: str, keyring: Keyring, **options: Any) -> ControlFollower:  # noqa: ANN401 - any option
    """Return a follower, not yet entered."""
    return ControlFollower(keyring, connection={"bootstrap_servers": kafka}, topic=topic, **options)


async def test_follower_is_ready_at_the_end_and_stays_on_it(kafka: str, topic: str, deployment: Deployment) -> None:
    """The whole way: read to the end, then every change within a moment."""
    await publish(kafka, topic, deployment.first, deployment.fresh(now()))
    changes: list[int] = []
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring, on_change=lambda: changes.append(keyring.generation)) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.manifest == deployment.manifest
        assert keyring.refused.total() == 0
        await publish(kafka, topic, deployment.rotate(now()))
        await until(lambda: keyring.manifest == deployment.manifest)
        active = keyring.active()
        assert active is not None
        assert active.version.n == 2
    assert changes[-1] == keyring.generation == 2


async def test_refresh_reads_to_the_present_end(kafka: str, topic: str, deployment: Deployment) -> None:
    """A reader that meets an unknown version needs one read, and not the patience of a long poll."""
    await publish(kafka, topic, deployment.first)
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        async with transactional(kafka, "refresh") as producer:
            for _ in range(3):
                change = deployment.rotate(now())
                async with producer.transaction():
                    for key, value in change.writes:
                        sent = await producer.send(topic, value, key=key.encode(), partition=0)
                # the version may be used once the transaction shows; the transaction's marker follows its commit
                await shown_behind(follower, (await sent).offset)
                began = time.monotonic()
                await follower.refresh(TIMEOUT_S)
                assert keyring.manifest == deployment.manifest
                assert time.monotonic() - began < 1.0


async def shown_behind(follower: ControlFollower, offset: int) -> None:
    """Wait until the topic's end is behind an offset."""
    session = follower._session
    assert session is not None
    while await session.end() <= offset:  # noqa: ASYNC110 - the broker tells nobody
        await asyncio.sleep(0.001)


async def test_concurrent_refreshes_share_one_read(
    kafka: str, topic: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst of unknown versions asks the broker twice at most: for those before, and those during the first read."""
    await publish(kafka, topic, deployment.first)
    async with following(kafka, topic, deployment.keyring()) as follower:
        await follower.wait_ready(TIMEOUT_S)
        asked = []
        session = follower._session
        assert session is not None
        real = session.end

        async def end() -> int:
            asked.append(1)
            return await real()

        monkeypatch.setattr(session, "end", end)
        await asyncio.gather(*(follower.refresh(TIMEOUT_S) for _ in range(50)))
        assert 1 <= len(asked) <= 2


async def test_expired_history_is_no_attack(kafka: str, topic: str, deployment: Deployment) -> None:
    """The topic holds old manifests until compaction; a newcomer takes the fresh one and counts nothing."""
    old = Deployment(started=now() - dt.timedelta(hours=5))
    changes = [old.first, old.fresh(now() - dt.timedelta(hours=3)), old.fresh(now())]
    await publish(kafka, topic, *changes)
    keyring = old.keyring()
    async with following(kafka, topic, keyring) as follower:
        await follower.wait_ready(TIMEOUT_S)
        assert keyring.manifest == old.manifest
        assert keyring.refused.total() == 0
    assert deployment.manifest != old.manifest


async def test_aborted_and_open_transactions_do_not_show(kafka: str, topic: str, deployment: Deployment) -> None:
    """A manifest whose transaction was not committed is not in force, though its signature is good."""
    await publish(kafka, topic, deployment.first)
    in_force = deployment.manifest
    change = deployment.rotate(now())
    async with transactional(kafka, "aborts") as producer:
        await producer.begin_transaction()
        for key, value in change.writes:
            await producer.send(topic, value, key=key.encode(), partition=0)
        await producer.flush()
        await producer.abort_transaction()
        await producer.begin_transaction()
        for key, value in change.writes:
            await producer.send(topic, value, key=key.encode(), partition=0)
        await producer.flush()
        keyring = deployment.keyring()
        async with following(kafka, topic, keyring) as follower:
            await follower.wait_ready(TIMEOUT_S)
            assert keyring.manifest == in_force
            await follower.refresh(TIMEOUT_S)
            await producer.commit_transaction()
            await until(lambda: keyring.manifest == deployment.manifest)


async def test_patient_follower_waits_for_topic_and_manifest(
    kafka: str, deployment: Deployment, topic_name: Callable[[str], str]
) -> None:
    """An enricher that starts before everything else is not ready, says why, and then goes on by itself."""
    name = topic_name("control")
    keyring = deployment.keyring()
    async with following(kafka, name, keyring, patient=True) as follower:
        await until(lambda: follower.problem is not None)
        assert follower.problem is not None
        assert follower.problem.reason == BrokerReason.TOPIC_MISSING
        with pytest.raises(BrokerUnavailableError) as failure:
            await follower.wait_ready(0.1)
        assert "there is no topic" in str(failure.value)
        await make_topic(kafka, name)
        await follower.wait_end(TIMEOUT_S)
        assert keyring.manifest is None
        with pytest.raises(BrokerUnavailableError):
            await follower.wait_ready(0.2)
        await publish(kafka, name, deployment.first)
        await follower.wait_ready(TIMEOUT_S)


async def test_sequence_outlives_a_restart(kafka: str, topic: str, deployment: Deployment, tmp_path: Path) -> None:
    """A topic that was rolled back is noticed by a follower with a disk."""
    state = StateFile(tmp_path / "reader.json", deployment=deployment.name)
    rolled_back = deployment.first
    await publish(kafka, topic, deployment.first, deployment.fresh(now()))
    async with following(kafka, topic, deployment.keyring(), state_file=state) as follower:
        await follower.wait_ready(TIMEOUT_S)
    known = state.load().published
    assert known is not None
    assert known.sequence == 2
    await delete_topic(kafka, topic)
    older = f"{topic}.older"
    await make_topic(kafka, older)
    await publish(kafka, older, rolled_back)
    async with following(kafka, older, deployment.keyring(known=known), state_file=state) as follower:
        with pytest.raises(ManifestRefusedError) as refused:
            await follower.wait_ready(TIMEOUT_S)
    assert refused.value.reason == ManifestReason.SEQUENCE
    assert state.load().published == known


async def test_follower_without_a_disk_goes_on(
    kafka: str, topic: str, deployment: Deployment, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A read-only container follows as well, and says once what it cannot notice."""
    (tmp_path / "file").write_text("")
    await publish(kafka, topic, deployment.first)
    state = StateFile(tmp_path / "file" / "reader.json", deployment=deployment.name)
    keyring = deployment.keyring()
    async with following(kafka, topic, keyring, state_file=state) as follower:
        await follower.wait_ready(TIMEOUT_S)
        await publish(kafka, topic, deployment.fresh(now()))
        await until(lambda: keyring.manifest == deployment.manifest)
    assert caplog.text.count("rolled back will not be noticed") == 1


async def test_every_record_is_shown(kafka: str, topic: str, deployment: Deployment) -> None:
    """The agent sees who overwrote what."""
    await publish(kafka, topic, deployment.first)
    await write(kafka, topic, [("command/x", json.dumps({}).encode()), ("manifest", None)])
    seen: list[ControlRecord] = []
    async with following(kafka, topic, deployment.keyring(), on_record=seen.append) as follower:
        await follower.wait_ready(TIMEOUT_S)
    assert [(record.key, record.value) for record in seen] == [
        *deployment.first.writes,
        ("command/x", b"{}"),
        ("manifest", None),
    ]
    assert [record.offset for record in seen] == sorted(record.offset for record in seen)

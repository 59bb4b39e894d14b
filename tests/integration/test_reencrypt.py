"""Re-encrypting history on a real Kafka."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from aegis_stream.client.spans import Bound
from aegis_stream.encryption import PIIDecryptor
from aegis_stream.errors import BrokerError, BrokerReason, ConfigurationError
from aegis_stream.wire import DekVersion
from tests.support.enrichment import Stage
from tests.support.history import History, event, kept, make_topic, of_partition
from tests.support.keyrings import PlainKek
from topologies.reencrypt import exit_code_of, reencrypt
from topologies.reencrypt_life import Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from topologies.reencrypt_account import Account

pytestmark = pytest.mark.kafka


@pytest.fixture
async def stage(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> Stage:
    """Make a deployment, and the two topics that a re-encryption writes."""
    made = Stage({"bootstrap_servers": kafka}, topic_name("h"), tmp_path)
    await made.create()
    await make_new(made)
    return made


def new_topic(stage: Stage) -> str:
    """Return the name of the new topic."""
    return f"{stage.name}.new"


async def make_new(stage: Stage) -> None:
    """Make the new topic and the one of refused records."""
    size = str(stage.encrypted_bytes + 65_536)
    await make_topic(stage.connection, new_topic(stage), stage.partitions, max_message_bytes=size)
    await make_topic(stage.connection, f"{new_topic(stage)}.refused", stage.partitions, max_message_bytes=size)


async def run(stage: Stage, stop: asyncio.Event | None = None, **options: Any) -> Account:  # noqa: ANN401
    """Run a re-encryptor in this process."""
    target = new_topic(stage)
    plan = Plan(source=stage.encrypted, target=target, refused_topic=f"{target}.refused", **options)
    return await reencrypt(stage.settings(), plan, stop or asyncio.Event(), keks=[PlainKek()])


async def test_history_is_encrypted_anew_and_the_account_adds_up(stage: Stage) -> None:
    """Nothing lost, doubled, moved or reordered; old versions are opened, the rest is kept to the byte."""
    history = History(stage)
    first = stage.deployment.active
    await history.write(40)
    await history.put([history.odd(b"no json"), history.odd(None, partition=1), history.odd(b'{"actor_id":"x"}')])
    second = await history.rotate()
    await history.write(30)
    third = await history.rotate()
    await history.write(20)

    account = await run(stage, below=DekVersion.parse(third))
    total = account.total
    assert (total.read, total.kept, total.reencrypted) == (93, 21, 70)
    assert total.refused == {"not-json": 1, "not-protected": 1}
    assert account.adds_up
    assert account.complete
    assert exit_code_of(account) == 1
    assert account.under == (third,)

    new = await stage.read(new_topic(stage), 91)
    good = [one for one in history.written if one.value is None or one.value.startswith(b'{"event_id"')]
    for partition in range(stage.partitions):
        assert of_partition(new, partition) == kept(good, partition)
    old_values = {one.value for one in history.written}
    versions = {orjson.loads(record.value)["_aegis"]["dek"] for record in new if record.value is not None}
    assert versions == {third}
    assert first != second
    assert sum(record.value in old_values for record in new) == 21
    opened = stage.opened([record for record in new if record.value is not None])
    assert {result.source for result in opened} == {
        f"{stage.raw}/{n % 2}/{n // 2}" for n in range(93) if history.written[n] in good and history.written[n].value
    }
    assert sorted(result.event["n"] for result in opened) == [
        one.number for one in good if one.value is not None
    ]
    for result in opened:
        assert result.event == event(result.event["n"])

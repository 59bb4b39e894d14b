"""A re-encryption that is killed at any moment, again and again, loses and doubles nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aegis_stream.client.topics.history import create_history_topics
from tests.support.enrichment import Stage
from tests.support.history import History, ReencryptorProcess, kept, of_partition, reader_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


@pytest.mark.timeout(1_500)
async def test_kills_at_any_moment_lose_and_double_nothing(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path, *, long_chaos: bool
) -> None:
    """Also before the first transaction, in the middle of one, and between its commit and the next."""
    events, kills = (20_000, 40) if long_chaos else (2_000, 4)
    stage = Stage({"bootstrap_servers": kafka}, topic_name("c"), tmp_path)
    await stage.create()
    history = History(stage)
    for _ in range(4):
        await history.write(events // 4)
        await history.put([history.odd(b"no json", partition=0)])
        await history.rotate()
    target = f"{stage.encrypted}-2"
    await create_history_topics(stage.connection, source=stage.encrypted, target=target)
    environment = reader_environment(stage)
    dice = random.Random(7)  # noqa: S311 - moments, not secrets
    for _ in range(kills):
        with ReencryptorProcess(environment, "--to", target, "--batch", "25", "--max-rate", "400") as process:
            await asyncio.sleep(dice.uniform(0.8, 2.5))  # a start takes about a second
            process.process.kill()
    with ReencryptorProcess(environment, "--to", target) as process:
        account = await asyncio.to_thread(process.account, code=1)
    assert account["adds_up"]
    assert (account["read"], account["reencrypted"], account["refused"]) == (events + 4, events, {"not-json": 4})
    new = await stage.read_all(target)
    good = [one for one in history.written if one.value != b"no json"]
    for partition in range(stage.partitions):
        assert of_partition(new, partition) == kept(good, partition)
    assert max(Counter(result.source for result in stage.opened(new)).values()) == 1
    assert len(await stage.read_all(f"{target}.refused")) == 4

"""Crypto-shredding on a real broker: after compaction the log holds no wrap of the destroyed DEK."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.arguments import DestroyDek, RotateDek
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState
from tests.support.control_topic import read_all
from tests.support.rotation import Rotation, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

QUICK = {
    "segment_ms": "100",
    "min_cleanable_dirty_ratio": "0.0",
    "max_compaction_lag_ms": "100",
    "delete_retention_ms": "0",
}
"""Topic settings that make Kafka roll and clean at once; it never cleans the segment it writes to."""

COMPACTED_S = 40.0


async def test_record_of_a_destroyed_dek_is_gone_after_compaction(
    kafka: str, topic_name: Callable[[str], str], tmp_path: Path
) -> None:
    """The result says by when brokers no longer hold it; here their settings make that seconds."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path, **QUICK) as rotation:
        first = rotation.manifest.active.version.text
        key = f"dek/{first}"
        async with rotation.running(interval_s=0.5):  # each manifest lets Kafka roll a segment
            await rotation.ask(RotateDek())
            old = await wraps(rotation, key)
            assert old
            assert all(record.wraps for record in old)
            result = await rotation.ask_both(DestroyDek(rotation.manifest.deks[0].version, no_copies_attested=False))
            deadline = time.monotonic() + COMPACTED_S
            while any(record.wraps for record in await wraps(rotation, key)):
                assert time.monotonic() < deadline, "Kafka has not compacted"
                await asyncio.sleep(0.3)
        assert [record.wraps for record in await wraps(rotation, key)] == [{}]
        entry = rotation.manifest.dek(first)
        assert entry is not None
        assert entry.state is DekState.DESTROYED
        assert result.brokers_clear_at is not None
        assert result.brokers_clear_at > utc_now()
        assert result.brokers_clear_at <= result.decided_at + dt.timedelta(minutes=11), "as this topic's settings say"
        assert result.keks == (rotation.manifest.current_kek.id,)
        assert result.copies_attested is False
        assert "current state" in result.message


async def wraps(rotation: Rotation, key: str) -> list[DekRecord]:
    """Read the log from its beginning; returns every record of a DEK that it still holds."""
    records = await read_all(rotation.kafka, rotation.topic)
    return [DekRecord.from_bytes(value) for name, value in records if name == key and value is not None]

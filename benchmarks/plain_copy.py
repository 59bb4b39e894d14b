"""The limit: a plain aiokafka consumer and producer that copy records, as well written as `send` allows.

It promises what the enricher promises for delivery: every record acknowledged by all replicas, in order, offsets
committed only after that.  One round of records is sent while the one before is being acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiokafka import TopicPartition

    from benchmarks.topics import Job

ROUND_RECORDS = 2_000
"""The most records of one round; what was measured best."""

LOOK_MS = 200
"""How long one look for records lasts where there are none."""


async def copy(job: Job) -> None:
    """Copy from the job's raw topic to its encrypted topic, partition to partition, until SIGTERM."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    consumer = AIOKafkaConsumer(
        job.raw,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=ROUND_RECORDS,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=job.bootstrap,
        acks="all",
        enable_idempotence=job.idempotent,
        compression_type=None if job.compression == "none" else job.compression,
        max_batch_size=job.batch_bytes,
        max_request_size=job.batch_bytes,
    )
    async with consumer, producer:
        copying = asyncio.ensure_future(_copy(consumer, producer, job.encrypted))
        stopping = asyncio.ensure_future(ended.wait())
        await asyncio.wait({copying, stopping}, return_when=asyncio.FIRST_COMPLETED)
        copying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await copying
        stopping.cancel()


async def _copy(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, target: str) -> None:
    waiting: tuple[Awaitable[object], dict[TopicPartition, int]] | None = None
    while True:
        taken = await consumer.getmany(timeout_ms=LOOK_MS)
        sent = [
            await producer.send(
                target, record.value, key=record.key, partition=place.partition, timestamp_ms=record.timestamp
            )
            for place, records in taken.items()
            for record in records
        ]
        if waiting is not None:
            acknowledged, offsets = waiting
            await acknowledged
            await consumer.commit(offsets)
        waiting = None
        if sent:
            waiting = asyncio.gather(*sent), {place: records[-1].offset + 1 for place, records in taken.items()}

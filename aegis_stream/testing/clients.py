"""The library's producer and consumer over a log in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aegis_stream.client import EventConsumer, EventProducer
from aegis_stream.testing.log import ENCRYPTED, RAW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.client import Written
    from aegis_stream.encryption import PIIDecryptor
    from aegis_stream.testing.deployment import MemoryDeployment
    from aegis_stream.testing.log import MemoryLog, MemoryRecord


class MemoryProducer(EventProducer):
    """An EventProducer whose broker is a deployment in memory."""

    def __init__(self, deployment: MemoryDeployment, *, validate: bool = True) -> None:
        """Write nothing yet."""
        super().__init__(connection={}, topic=RAW, validate=validate)
        self._deployment = deployment

    async def start(self) -> None:
        """Be ready."""
        self._producer = _Sender(self._deployment)


class MemoryConsumer(EventConsumer):
    """An EventConsumer whose broker is a log in memory; it ends where the other one waits."""

    def __init__(
        self,
        log: MemoryLog,
        *,
        group: str,
        decryptor: PIIDecryptor,
        **options: Any,  # noqa: ANN401 - any option of EventConsumer
    ) -> None:
        """Read nothing yet."""
        super().__init__(connection={}, topic=ENCRYPTED, group=group, decryptor=decryptor, **options)
        self._log = log

    async def start(self) -> None:
        """Stand where the group has committed."""
        for partition, (_, marks) in self._log.committed[self._group].items():
            self._marks.restore(partition, marks)
        self._consumer = _Fetcher(self._log, self._group)

    async def _fill(self, consumer: Any) -> None:  # noqa: ANN401 - as the base has it
        await super()._fill(consumer)
        if not self._queue:
            raise StopAsyncIteration


class _Fetcher:
    """The calls that the consumer makes of Kafka's."""

    def __init__(self, log: MemoryLog, group: str) -> None:
        self._log, self._committed = log, log.committed[group]
        self._positions = {partition: offset for partition, (offset, _) in self._committed.items()}

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[tuple[str, int], list[MemoryRecord]]:
        del timeout_ms  # nothing comes later
        found: dict[tuple[str, int], list[MemoryRecord]] = {}
        for partition in range(self._log.partitions):
            start = self._positions.get(partition, 0)
            records = self._log.records(ENCRYPTED, partition)[start : start + max_records]
            if records:
                found[ENCRYPTED, partition] = records
                self._positions[partition] = start + len(records)
        return found

    async def commit(self, done: Mapping[Any, Any]) -> None:
        for place, entry in done.items():
            self._committed[place.partition] = (entry.offset, entry.metadata)

    async def stop(self) -> None:
        """Nothing is open."""


class _Sender:
    """The calls that the producer makes of Kafka's."""

    def __init__(self, deployment: MemoryDeployment) -> None:
        self._deployment = deployment

    async def send(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None,
        partition: int | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> asyncio.Future[Written]:
        del topic  # the raw one
        sent: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        sent.set_result(self._deployment.write_raw(value, key=key, partition=partition, headers=headers))
        return sent

    async def stop(self) -> None:
        """Nothing is open."""

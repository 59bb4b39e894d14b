"""Open fetched records in batches, off the event loop, with one look at the control topic where a version is new."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from aegis_stream.client.received import EmptyRecord, ReceivedEvent, RefusedRecord
from aegis_stream.encryption import Opened, Unreadable
from aegis_stream.errors import BrokerReason, BrokerUnavailableError, ReadReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.encryption import PIIDecryptor

KNOWN_UNKNOWN_S = 10.0
_KNOWN_UNKNOWN_MAX = 1_024


class Opening:
    """Turns Kafka records into received events and refused records, in order, one for one."""

    def __init__(
        self,
        decryptor: PIIDecryptor,
        *,
        refresh_keys: Callable[[], Awaitable[None]] | None,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask `refresh_keys` about an unknown version, for at most `wait_s`, and not again within 10 s."""
        self._decryptor = decryptor
        self._refresh_keys = refresh_keys
        self._wait_s = wait_s
        self._clock = clock
        self._unknown: dict[str, float] = {}

    async def open(self, records: Sequence[ConsumerRecord]) -> list[ReceivedEvent | RefusedRecord | EmptyRecord]:
        """Open records.

        Raises KEKError where a DEK cannot be unwrapped now, BrokerUnavailableError (timeout) where the control topic
        cannot be read to its end: then nobody knows yet whether the events are to be refused.  Ask again.
        """
        results = await self.results([record.value if record.value is not None else b"" for record in records])
        return [_received(record, result) for record, result in zip(records, results, strict=True)]

    async def results(self, values: Sequence[bytes]) -> list[Opened | Unreadable]:
        """Open values, one result each, in order.  Raises as `open`."""
        results = await asyncio.to_thread(self._decryptor.open_batch, values)
        again = [place for place, result in enumerate(results) if self._worth_asking(result)]
        if again and self._refresh_keys is not None:
            await self._refresh(self._refresh_keys)
            anew = await asyncio.to_thread(self._decryptor.open_batch, [values[place] for place in again])
            for place, result in zip(again, anew, strict=True):
                results[place] = result
                if isinstance(result, Unreadable) and result.reason is ReadReason.DEK_UNKNOWN:
                    self._remember(result.dek_version)
        return results

    def _worth_asking(self, result: Opened | Unreadable) -> bool:
        """Tell whether a look at the control topic may change the answer."""
        if not isinstance(result, Unreadable) or result.reason is not ReadReason.DEK_UNKNOWN:
            return False
        asked_at = self._unknown.get(result.dek_version)
        return asked_at is None or self._clock() - asked_at >= KNOWN_UNKNOWN_S

    async def _refresh(self, refresh_keys: Callable[[], Awaitable[None]]) -> None:
        """Wait for one read of the control topic to its present end, but not for ever."""
        timed_out = False
        try:
            await asyncio.wait_for(refresh_keys(), self._wait_s)
        except TimeoutError:
            timed_out = True
        if timed_out:
            raise BrokerUnavailableError(
                BrokerReason.TIMEOUT,
                f"reading the control topic for an unknown DEK version: no end within {self._wait_s:g} s",
                remedy="check that the control topic can be read; AEGIS_CONTROL_WAIT_S sets the wait",
            )

    def _remember(self, version: str) -> None:
        """Note a version that the control topic did not know, so that a flood of them costs one read."""
        if len(self._unknown) >= _KNOWN_UNKNOWN_MAX:
            self._unknown.clear()
        self._unknown[version] = self._clock()


def _received(record: ConsumerRecord, result: Opened | Unreadable) -> ReceivedEvent | RefusedRecord | EmptyRecord:
    if record.value is None and record.key is None:
        return EmptyRecord(record.topic, record.partition, record.offset)
    headers = tuple((name, bytes(value or b"")) for name, value in record.headers)
    if isinstance(result, Unreadable):
        return RefusedRecord(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=result.reason,
            path=result.path,
            dek_version=result.dek_version,
            key=record.key,
            value=record.value,
            headers=headers,
        )
    return ReceivedEvent(
        event=result.event,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp_ms=record.timestamp,
        key=record.key,
        headers=headers,
        dek_version=result.dek_version,
        source=result.source,
    )

"""One list of raw records in, batches for the encrypted topic and sealed dead letters out.  No I/O, no event loop."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from aegis_stream.encryption import Protected, Rejected
from aegis_stream.errors import WriteReason
from topologies.batches import BATCH_HEAD_BYTES, RECORD_HEAD_BYTES, Batches, batch_bytes
from topologies.dead_letters import seal_dead_letter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiokafka import ConsumerRecord
    from aiokafka.producer.message_accumulator import BatchBuilder

    from topologies.batches import SizeLimits
    from topologies.record_list import RecordList
    from topologies.side_doors import SideDoors
    from topologies.writer import BatchEncryptor, Writer

    Records = Sequence[ConsumerRecord[bytes | None, bytes | None]]

PIECE_RECORDS = 100
"""Records that are protected and put into a batch together: what they become, over half a megabyte, then still stands
in the processor's cache.  A list at once takes a tenth longer."""

_PSEUDONYM_BYTES = 64
RECORDS_AT_ONCE = 128
"""Records protected before they are appended: what is appended is then still in the processor's cache."""


class Outputs(NamedTuple):
    """All that must be acknowledged before a list may be committed."""

    batches: list[BatchBuilder]
    dead_letters: list[BatchBuilder]
    refusals: Counter[str]
    """Dead letters by reason."""


class ListProtector:
    """Turns record lists into outputs.  One thread at a time."""

    def __init__(self, *, new_batch: Callable[[], BatchBuilder], doors: SideDoors, limits: SizeLimits) -> None:
        """`new_batch` makes an empty batch whose own limit is above none of `limits`."""
        self._new_batch = new_batch
        self._doors = doors
        self._limits = limits
        self._surely_fits = limits.encrypted - BATCH_HEAD_BYTES - RECORD_HEAD_BYTES - _PSEUDONYM_BYTES

    def protect(self, work: RecordList, writer: Writer) -> Outputs:
        """Protect every record of a list; the order is kept.

        Raises BrokerError(TOPIC_SETTINGS): the dead-letter topic cannot take a record that must go there.
        """
        output, dead = Batches(self._new_batch), Batches(self._new_batch)
        refusals: Counter[str] = Counter()
        append, surely_fits = output.append, self._surely_fits
        no_headers: list[tuple[str, bytes | None]] = []
        place = f"{work.partition.topic}/{work.partition.partition}/"
        for start in range(0, len(work.records), RECORDS_AT_ONCE):
            records = work.records[start : start + RECORDS_AT_ONCE]
            for record, result in zip(records, self._results(records, place, writer.encryptor), strict=True):
                if record.key is None and not record.headers and type(result) is Protected:  # most records, so first
                    value = result.value
                    if len(value) <= surely_fits:
                        append(record.timestamp, None, value, no_headers)
                        continue
                reason = result.reason if isinstance(result, Rejected) else self._pass_on(output, record, result)
                if reason is not None:
                    refusals[reason] += 1
                    letter = seal_dead_letter(record, reason, writer, max_bytes=self._limits.dead_letter)
                    dead.append(None, None, letter.value, letter.headers)
                    if not letter.complete:
                        self._doors.dropped["unsealable-header"] += len(record.headers)
        return Outputs(output.close(), dead.close(), refusals)

    def _results(
        self, records: Sequence[ConsumerRecord[bytes | None, bytes | None]], place: str, encryptor: BatchEncryptor
    ) -> Sequence[Protected | Rejected | None]:
        """Return one result a record; None is a record without a value that may pass as it is.

        place: "topic/partition/".
        """
        values = [record.value for record in records]
        if None not in values and not self._doors.any_to_judge(records):
            return encryptor.protect_batch(values, sources=[f"{place}{record.offset}" for record in records])
        results: list[Protected | Rejected | None] = [None] * len(records)
        groups: dict[bool, list[int]] = {False: [], True: []}
        for index, record in enumerate(records):
            if record.value is not None:
                groups[self._doors.to_judge(record)].append(index)
            elif record.key is not None and not self._doors.lets_keys_through:
                results[index] = Rejected(WriteReason.NO_VALUE)
        for collect, indices in groups.items():
            found = encryptor.protect_batch(
                [value for index in indices if (value := values[index]) is not None],
                sources=[f"{place}{records[index].offset}" for index in indices],
                collect_sensitive=collect,
            )
            for index, result in zip(indices, found, strict=True):
                results[index] = result
        return results

    def _pass_on(
        self, output: Batches, record: ConsumerRecord[bytes | None, bytes | None], result: Protected | None
    ) -> WriteReason | None:
        """Append a record with its key and headers as they may leave; returns why it cannot be."""
        value, sensitive = None, []
        if result is not None:
            value, sensitive = result.value, [text.encode() for text in result.sensitive]
        key = self._doors.key(record.key, sensitive)
        headers = self._doors.headers(record.headers, sensitive)
        if batch_bytes(key, value, headers) > self._limits.encrypted:
            return WriteReason.TOO_LARGE
        output.append(record.timestamp, key, value, headers)
        return None

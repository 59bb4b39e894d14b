"""What travels through the fast path: whole lists of records, never single ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord
    from faust.types import TP


class RecordList(NamedTuple):
    """Consecutive records of one partition as one fetch gave them; never empty.

    `generation` counts the assignments of this process: a list of an ended assignment must go no further, because its
    records will be fetched again, by whoever has the partition now.
    """

    partition: TP
    generation: int
    records: Sequence[ConsumerRecord[bytes | None, bytes | None]]

    @property
    def next_offset(self) -> int:
        """The offset to commit once every record of the list is done."""
        return int(self.records[-1].offset) + 1

    def __repr__(self) -> str:
        """Name the place and the number, nothing of the records."""
        first = self.records[0].offset
        return f"<RecordList {self.partition.topic}/{self.partition.partition}/{first} +{len(self.records)}>"

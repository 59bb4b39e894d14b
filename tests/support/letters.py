"""Dead letters on a real Kafka without an enricher: raw records, and what an enricher would have sealed of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from aegis_stream.errors import WriteReason
from aegis_stream.hybrid import HybridPublicKey
from tests.support.enrichment import RawRecord, Stage
from tests.support.keyrings import KEK_PAIR
from topologies.dead_letters import seal_dead_letter
from topologies.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka import ConsumerRecord

KEK_VARIABLES = {
    "AEGIS_MASTER_KEK_PUBLIC": base64.b64encode(KEK_PAIR.public).decode(),
    "AEGIS_MASTER_KEK_PRIVATE": base64.b64encode(KEK_PAIR.private).decode(),
}


@dataclass
class LetterStage(Stage):
    """A Stage with a state topic, and with what it takes to seal."""

    @property
    def state(self) -> str:
        """Name of the state topic."""
        return f"{self.name}.dead-letter-state"

    async def create_all(self) -> None:
        """Make all topics and the first manifest."""
        await self.create()
        await self._create([NewTopic(self.state, 1, 1, topic_configs={"cleanup.policy": "compact"})])

    async def bury(
        self, records: Sequence[RawRecord], reason: WriteReason = WriteReason.NOT_JSON, *, times: int = 1
    ) -> list[str]:
        """Write raw records, and seal each `times` times as an enricher does; returns the letters' ids."""
        before = {(one.partition, one.offset) for one in await self.read_all(self.raw)}
        await self.send(records)
        fresh = [one for one in await self.read_all(self.raw) if (one.partition, one.offset) not in before]
        fresh.sort(key=lambda one: (one.partition, one.offset))
        record = self.deployment.records[self.deployment.active]
        writer = Writer(record.version.text, None, HybridPublicKey.from_bytes(record.public_key))  # type: ignore[arg-type]
        async with AIOKafkaProducer(**self.connection, max_request_size=self.dead_letter_bytes) as producer:
            for one in fresh * times:
                letter = seal_dead_letter(one, reason, writer, max_bytes=self.dead_letter_bytes)
                await producer.send(self.dead_letter, letter.value, partition=one.partition, headers=letter.headers)
            await producer.flush()
        return [f"{self.raw}/{one.partition}/{one.offset}" for one in fresh]

    async def replayed(self) -> list[ConsumerRecord[bytes, bytes]]:
        """Return the raw records that a replay has written, by partition and offset."""
        found = [one for one in await self.read_all(self.raw) if "aegis-replay" in dict(one.headers)]
        return sorted(found, key=lambda one: (one.partition, one.offset))

    def operator(self, *, kek: bool) -> dict[str, str]:
        """Return the variables of an operator, with or without the KEK."""
        own = {
            name: value
            for name, value in self.environment().items()
            if "SESSION_SIGNING" not in name and "PSEUDONYM" not in name
        }
        return own | (KEK_VARIABLES if kek else {})

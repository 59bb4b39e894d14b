"""Read all of a topic of encrypted events once, from its beginning to its present end, in no consumer group.

For audits: nothing is committed, no reader of the deployment is disturbed, and revoked DEKs and enrichers are opened
where the audit names them.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from aegis_stream.client.broker_errors import our_broker_errors
from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.control import control_follower
from aegis_stream.client.control_session import bounded
from aegis_stream.client.opening import Opening
from aegis_stream.client.received import EmptyRecord
from aegis_stream.client.topics import preflight
from aegis_stream.encryption import PIIDecryptor
from aegis_stream.kek import wait_for_keks
from aegis_stream.keyring.reader_keys import ReaderKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.client.received import ReceivedEvent, RefusedRecord
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.settings import Settings

_POLL_MS = 500
_BATCH = 500


class Scan:
    """Everything an audit reads: iterate over `events` once; `manifest` is what is in force."""

    def __init__(self, connection: Mapping[str, Any], topic: str, opening: Opening, manifest: Manifest) -> None:
        """Use `open_scan`."""
        self.manifest = manifest
        self._connection = connection
        self._topic = topic
        self._opening = opening

    async def events(self) -> AsyncIterator[list[ReceivedEvent | RefusedRecord]]:
        """Yield what the topic holds in batches, each partition in its order.

        Raises BrokerError; KEKError: a DEK cannot be unwrapped now.
        """
        doing = f"reading {self._topic}"
        partitions = (await preflight(self._connection, topics=[self._topic]))[self._topic]
        places = [TopicPartition(self._topic, partition) for partition in range(partitions)]
        consumer = AIOKafkaConsumer(
            **self._connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        try:
            with our_broker_errors(doing):
                await bounded(consumer.start(), doing)
                ends = await self._begin(consumer, places, doing)
            while ends:
                with our_broker_errors(doing):
                    batches = await bounded(consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH), doing)
                    for place in list(ends):
                        if await bounded(consumer.position(place), doing) >= ends[place]:
                            del ends[place]
                records = [record for batch in batches.values() for record in batch]
                if records:
                    yield await self._opened(records)
        finally:
            await consumer.stop()

    async def _begin(
        self, consumer: AIOKafkaConsumer, places: list[TopicPartition], doing: str
    ) -> dict[TopicPartition, int]:
        """Stand at the beginning of every partition; returns where each one that holds anything ends."""
        consumer.assign(places)
        begins = await bounded(consumer.beginning_offsets(places), doing)
        ends = await bounded(consumer.end_offsets(places), doing)
        await bounded(consumer.seek_to_beginning(*places), doing)
        return {place: int(end) for place, end in ends.items() if end > begins[place]}

    async def _opened(self, records: Sequence[ConsumerRecord]) -> list[ReceivedEvent | RefusedRecord]:
        return [item for item in await self._opening.open(records) if not isinstance(item, EmptyRecord)]


@asynccontextmanager
async def open_scan(
    settings: Settings,
    *,
    keks: Sequence[KEKProvider] | None = None,
    audit_versions: Collection[str] = (),
    audit_signers: Collection[str] = (),
) -> AsyncIterator[Scan]:
    """Yield a scan of the encrypted topic; the KEKs are by default those of the environment.

    audit_versions, audit_signers: DEK versions and enrichers' keys that are opened although they are revoked.
    Raises BrokerError, ManifestRefusedError, KEKError, ConfigurationError.
    """
    held = await wait_for_keks() if keks is None else keks
    connection = connection_kwargs(settings)
    async with control_follower(settings, purpose="audit") as follower:
        await follower.wait_ready(settings.control_wait_s)
        manifest = await follower.wait_manifest(settings.control_wait_s)
        keys = ReaderKeys(follower.keyring, held, audit_versions=audit_versions, audit_signers=audit_signers)
        opening = Opening(
            PIIDecryptor(keys, engine=settings.engine), refresh_keys=follower.refresh, wait_s=settings.control_wait_s
        )
        yield Scan(connection, settings.topic_encrypted, opening, manifest)

"""Read all of a topic of encrypted events once, from its beginning to its present end, in no consumer group.

For audits: nothing is committed, no reader of the deployment is disturbed, and revoked DEKs and enrichers are opened
where the audit names them.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.control import control_follower
from aegis_stream.client.log_reader import LogReader
from aegis_stream.client.opening import Opening
from aegis_stream.client.received import EmptyRecord
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
        async with LogReader(self._connection, self._topic) as reader:
            await reader.begin(await reader.available())
            while not reader.finished:
                records = await reader.fetch()
                if records:
                    yield await self._opened(records)

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

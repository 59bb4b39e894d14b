"""Everything a reader needs, put together from the settings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.consumer import EventConsumer
from aegis_stream.client.control import control_follower
from aegis_stream.encryption import PIIDecryptor
from aegis_stream.kek import wait_for_keks
from aegis_stream.keyring.reader_keys import ReaderKeys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aegis_stream.client.received import RefusedRecord
    from aegis_stream.kek import KEKProvider
    from aegis_stream.settings import Settings


@asynccontextmanager
async def open_decryptor(
    settings: Settings, *, keks: Sequence[KEKProvider] | None = None
) -> AsyncIterator[tuple[PIIDecryptor, Callable[[], Awaitable[None]]]]:
    """Follow the control topic and yield a decryptor over its keys, and what reads the topic to its present end.

    keks: by default what the environment configures, during a rotation also under AEGIS_NEXT_; while KMS or the HSM is
    away this waits.  Raises BrokerError, ManifestRefusedError, KEKError, ConfigurationError.
    """
    held = await wait_for_keks() if keks is None else keks
    async with control_follower(settings, purpose="reader") as follower:
        await follower.wait_ready(settings.control_wait_s)
        yield PIIDecryptor(ReaderKeys(follower.keyring, held), engine=settings.engine), follower.refresh


@asynccontextmanager
async def open_consumer(
    settings: Settings,
    *,
    keks: Sequence[KEKProvider] | None = None,
    group: str | None = None,
    on_refused: Callable[[RefusedRecord], Awaitable[None]] | None = None,
    accept_rewind: bool = False,
    **options: Any,  # noqa: ANN401 - any other option of EventConsumer
) -> AsyncIterator[EventConsumer]:
    """Yield a started EventConsumer on the encrypted topic.

    keks: as `open_decryptor`.  group: AEGIS_READER_GROUP without it.  Raises as `open_decryptor`.
    """
    async with (
        open_decryptor(settings, keks=keks) as (decryptor, refresh_keys),
        EventConsumer(
            connection=connection_kwargs(settings),
            topic=settings.topic_encrypted,
            group=group or settings.reader_group,
            decryptor=decryptor,
            refresh_keys=refresh_keys,
            on_refused=on_refused,
            accept_rewind=accept_rewind,
            rewind_limit=settings.source_rewind_limit,
            control_wait_s=settings.control_wait_s,
            **options,
        ) as consumer,
    ):
        yield consumer

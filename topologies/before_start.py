"""What an enricher looks at before it starts, because Kafka's clients would wait for it in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.topics import preflight
from aegis_stream.client.topics.admin import administrator
from aegis_stream.client.topics.findings import max_message_bytes
from aegis_stream.client.topics.plan import DEFAULT_MAX_MESSAGE_BYTES, dead_letter_bytes, encrypted_bytes
from aegis_stream.client.topics.survey import topic_states
from topologies.batches import SizeLimits

if TYPE_CHECKING:
    from aegis_stream.settings import Settings

_log = structlog.get_logger(__name__)


async def look_before_start(settings: Settings) -> SizeLimits:
    """Return what the output topics take, once raw and output topics and the group were found fit.

    Not the control topic: while that is away the enricher waits, not ready, and passes nothing.
    Raises ConfigurationError, BrokerError, BrokerUnavailableError.
    """
    connection = connection_kwargs(settings)
    outputs = (settings.topic_encrypted, settings.topic_dead_letter)
    await preflight(connection, source=settings.topic_raw, outputs=outputs, group=settings.application_id)
    async with administrator(connection) as admin:
        states = await topic_states(admin, outputs, settings=True)
    found = SizeLimits(*(max_message_bytes(states.get(name)) for name in outputs))
    made = SizeLimits(encrypted_bytes(DEFAULT_MAX_MESSAGE_BYTES), dead_letter_bytes(DEFAULT_MAX_MESSAGE_BYTES))
    hidden = [name for name in outputs if name not in states or states[name].settings is None]
    if hidden:
        _log.warning(
            "max.message.bytes is hidden from this user: taking what `aegis topics create` sets by default",
            topics=hidden,
            remedy="give it the right DescribeConfigs on these topics",
        )
    return SizeLimits(
        *(default if name in hidden else size for name, size, default in zip(outputs, found, made, strict=True))
    )

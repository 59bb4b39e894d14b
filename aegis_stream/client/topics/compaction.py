"""After how long brokers no longer hold what was overwritten on a topic."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from aegis_stream.client.topics.admin import DEFAULT_TIMEOUT_S, administrator
from aegis_stream.client.topics.survey import topic_states

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_MS = 315_360_000_000  # ten years: nobody waits for more, and Kafka's own default is for ever
_CLEANER = dt.timedelta(minutes=10)


async def cleared_after(
    connection: Mapping[str, Any], topic: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> dt.timedelta | None:
    """Return after how long an overwritten record is gone from the brokers, None where nobody can say.

    Its segment is rolled after max.compaction.lag.ms and cleaned after as long again, and the cleaner takes some
    minutes.  None: that setting is not bounded, the topic is not compacted, or its settings are hidden from this user.
    Raises BrokerError, BrokerUnavailableError.
    """
    async with administrator(connection, timeout_s=timeout_s) as admin:
        state = (await topic_states(admin, [topic], settings=True)).get(topic)
    found = None if state is None else state.settings
    if found is None or "compact" not in found.get("cleanup.policy", ""):
        return None
    lag = found.get("max.compaction.lag.ms", "")
    if not lag.isdigit() or int(lag) > _LONGEST_MS:
        return None
    return 2 * dt.timedelta(milliseconds=int(lag)) + _CLEANER

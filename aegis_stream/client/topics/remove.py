"""Take topics away: for demos and tests, which make topics of their own names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.client.topics.admin import DEFAULT_TIMEOUT_S, administrator

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


async def remove_topics(
    connection: Mapping[str, Any], names: Iterable[str], *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> None:
    """Delete topics with all that is on them; one that is not there is no error.

    Raises BrokerUnavailableError, BrokerError as in `administrator`.
    """
    async with administrator(connection, timeout_s=timeout_s) as admin:
        await admin.delete_topics(list(names))

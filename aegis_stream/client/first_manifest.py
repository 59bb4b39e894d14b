"""Publish the first manifest of a deployment: what `aegis keys init` does, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.client.control_session import ControlSession
from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.errors import BrokerError, BrokerReason, BrokerUnavailableError, ManifestReason, ManifestRefusedError
from aegis_stream.keyring.manifest import MANIFEST_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aegis_stream.keyring.maker import Change


async def publish_first(
    connection: Mapping[str, Any], topic: str, change: Change, *, before: Callable[[], None]
) -> None:
    """Write the first change, unless the topic has ever held a manifest.

    before: called when it is clear that there is none and before anything is written, to put the keys on disk.  Two
    that run at once cannot both succeed: the second one's writer fences the first.

    Raises ManifestRefusedError(SEQUENCE): there is a manifest; BrokerError: the topic is not fit, or nothing was
    written.  BrokerUnavailableError: after `before` it means that nobody knows whether the change was written.
    """
    deployment = change.manifest.deployment
    failure: BrokerUnavailableError | None = None
    async with ControlWriter(connection, topic, deployment=deployment) as writer:
        if await _newest_manifest(connection, topic) is not None:
            raise ManifestRefusedError(
                ManifestReason.SEQUENCE,
                f"{topic} has a manifest already",
                remedy="`aegis keys list` shows it; a second deployment needs a control topic of its own",
            )
        before()
        try:
            await writer.write(change.writes)
        except BrokerUnavailableError as error:
            failure = error
    if failure is None:
        return
    async with ControlWriter(connection, topic, deployment=deployment):  # ends the transaction, one way or the other
        if await _newest_manifest(connection, topic) == change.writes[-1][1]:
            return
    raise BrokerError(BrokerReason(failure.reason), f"{failure}; nothing was written", remedy="run it again")


async def _newest_manifest(connection: Mapping[str, Any], topic: str) -> bytes | None:
    """Return the last value under the manifest's key that is no tombstone, None where there never was one."""
    session = await ControlSession.open(connection, topic, position=None)
    newest: bytes | None = None
    try:
        async for records in session.read_to(await session.end()):
            for record in records:
                if record.key == MANIFEST_KEY and record.value is not None:
                    newest = record.value
    finally:
        await session.close()
    return newest

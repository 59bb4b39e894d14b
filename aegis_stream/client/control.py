"""A follower of the control topic as the settings want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.follow import ControlFollower
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.state_file import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.settings import Settings


def control_follower(
    settings: Settings,
    *,
    purpose: str,
    writes: bool = False,
    patient: bool = False,
    on_change: Callable[[], None] | None = None,
) -> ControlFollower:
    """Return a follower with a keyring of its own; nothing is connected before it is entered.

    purpose: names the state file, "enricher" or "reader".  writes: whether AEGIS_STRICT concerns this process.
    patient: see ControlFollower.

    Raises ConfigurationError (no agent key, no broker, a damaged state file), KeyRefusedError (a key is not sound).
    """
    state_file = StateFile(settings.state_dir / f"{settings.deployment}.{purpose}.json", deployment=settings.deployment)
    keyring = Keyring(
        deployment=settings.deployment,
        agent_keys=settings.agent_public_keys,
        grace_s=0 if writes and settings.strict else settings.manifest_grace_s,
        known=state_file.load().published,
    )
    return ControlFollower(
        keyring,
        connection=connection_kwargs(settings),
        topic=settings.topic_control,
        patient=patient,
        state_file=state_file,
        on_change=on_change,
    )

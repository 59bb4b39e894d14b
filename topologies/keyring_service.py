"""The control topic's follower as a service of the application: it starts before the consumer joins its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mode import Service

from aegis_stream.client.connection import connection_kwargs
from aegis_stream.client.follow import ControlFollower
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.state_file import StateFile

if TYPE_CHECKING:
    from collections import Counter

    from aegis_stream.errors import AegisError, ManifestReason
    from aegis_stream.keyring.view import View
    from aegis_stream.settings import Settings


class KeyringService(Service):
    """Keeps a keyring up to date, and goes on trying while the control topic is away."""

    def __init__(self, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401 - mode's own
        """Connect nothing yet.

        Raises ConfigurationError (no agent key, a damaged state file), KeyRefusedError.
        """
        super().__init__(**kwargs)
        state_file = StateFile(settings.state_dir / f"{settings.deployment}.json", deployment=settings.deployment)
        self._keyring = Keyring(
            deployment=settings.deployment,
            agent_keys=settings.agent_public_keys,
            grace_s=0 if settings.strict else settings.manifest_grace_s,
            known=state_file.load().published,
        )
        self._follower = ControlFollower(
            self._keyring,
            connection=connection_kwargs(settings),
            topic=settings.topic_control,
            patient=True,
            state_file=state_file,
        )

    async def on_start(self) -> None:
        """Begin to follow."""
        await self._follower.__aenter__()

    async def on_stop(self) -> None:
        """Stop following."""
        await self._follower.__aexit__(None, None, None)

    @property
    def view(self) -> View:
        """The keyring's present state."""
        return self._keyring.view

    @property
    def at_end(self) -> bool:
        """Whether the topic was read to the end it had at the start; before that, the view may be an old one."""
        return self._follower.at_end

    @property
    def problem(self) -> AegisError | None:
        """Why the control topic is not being read at present, or why its last refused record was refused."""
        return self._follower.problem or self._keyring.last_refusal

    @property
    def refused(self) -> Counter[ManifestReason]:
        """Manifests and records that were refused, by reason."""
        return self._keyring.refused

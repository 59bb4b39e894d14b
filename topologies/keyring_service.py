"""The control topic's follower as a service of the application: it starts before the consumer joins its group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mode import Service

from aegis_stream.client.control import control_follower
from topologies.logs import SERVICE_LOG

if TYPE_CHECKING:
    from collections import Counter

    from aegis_stream.errors import AegisError, ManifestReason
    from aegis_stream.keyring.view import View
    from aegis_stream.settings import Settings


class KeyringService(Service):
    """Keeps a keyring up to date, and goes on trying while the control topic is away."""

    logger = SERVICE_LOG

    def __init__(self, settings: Settings, **kwargs: Any) -> None:  # noqa: ANN401 - mode's own
        """Connect nothing yet.

        Raises ConfigurationError (no agent key, a damaged state file), KeyRefusedError.
        """
        super().__init__(**kwargs)
        self._follower = control_follower(settings, purpose="enricher", writes=True, patient=True)
        self._keyring = self._follower.keyring

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

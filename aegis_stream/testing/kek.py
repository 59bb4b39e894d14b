"""A KEK that is away when a test wants it to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.errors import KEKReason, KEKUnavailableError

if TYPE_CHECKING:
    from aegis_stream.kek import KEKProvider


class UnavailableKEK:
    """A KEK whose keeper is away: it says who it is and opens nothing until `available` is set."""

    name = "unavailable"

    def __init__(self, kek: KEKProvider) -> None:
        """Stand in front of a KEK."""
        self._kek = kek
        self.kek_id = kek.kek_id
        self.available = False

    def get_public_key(self) -> bytes:
        """Return the KEK's public key, 1,216 bytes."""
        return self._kek.get_public_key()

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret.  Raises KEKUnavailableError while it is not available."""
        if not self.available:
            raise KEKUnavailableError(KEKReason.UNAVAILABLE, "the KEK's keeper is away, as this test wants it")
        return self._kek.decapsulate(encapsulation)

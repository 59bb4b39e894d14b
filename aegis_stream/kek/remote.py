"""A KEK that a KMS or an HSM unwraps once; from then on it is in this process's memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek.held import HeldKEK, load_private_key, load_public_key
from aegis_stream.kek.single_flight import SingleFlight

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridPrivateKey
    from aegis_stream.kek.secret import Secret


class RemoteKEK(HeldKEK, ABC):
    """Base of the providers whose private key comes wrapped.

    The vendor is asked once, by whichever thread comes first; a failure is kept by nobody, so the next call asks
    again.  Once loaded, the vendor may be away for as long as it likes.
    """

    __slots__ = ("_flight", "_wrapped")

    def __init__(self, *, wrapped: bytes, public_key_bytes: bytes, source: str) -> None:
        """Check the public key (1,216 bytes) and hold the wrapped private key, without asking the vendor.

        Raises KeyRefusedError: LENGTH, MODULUS, LOW_ORDER.
        """
        super().__init__(public=load_public_key(public_key_bytes, source=source), private=None)
        self._wrapped = wrapped
        self._flight: SingleFlight[HybridPrivateKey] = SingleFlight()

    @property
    def loaded(self) -> bool:
        """Whether the private key is here and the vendor is no longer needed."""
        return self._private is not None

    def load(self) -> None:
        """Let the vendor unwrap the private key, unless it is here already.

        Raises KEKError, KEKUnavailableError (trying again may help) and KeyRefusedError.
        """
        self._key()

    def _key(self) -> HybridPrivateKey:
        return self._private or self._flight.do("load", self._load)

    def _load(self) -> HybridPrivateKey:
        if self._private is not None:  # loaded between the look and the flight
            return self._private
        source = f"the key that {self.name} unwrapped"
        self._private = load_private_key(self._unwrap(), public=self._public, source=source)  # before others may ask
        return self._private

    @abstractmethod
    def _unwrap(self) -> Secret[bytes]:
        """Let the vendor unwrap; raises KEKError and KEKUnavailableError only."""


def check_blob(wrapped: bytes, *, least: int, most: int, vendor: str) -> None:
    """Refuse a wrapped key that the vendor cannot have made, before it is sent.  Raises KEKError(BAD_BLOB)."""
    if not least <= len(wrapped) <= most:
        raise KEKError(
            KEKReason.BAD_BLOB,
            f"a private key wrapped by {vendor} has {least:,} to {most:,} bytes, this one has {len(wrapped):,}",
            remedy="the variable was cut off or holds another value: copy what `aegis kek provision` printed",
        )

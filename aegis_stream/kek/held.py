"""A KEK whose keypair is in this process's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from aegis_stream.errors import KEKError, KEKReason, KeyReason, KeyRefusedError
from aegis_stream.hybrid import PRIVATE_KEY_BYTES, HybridPrivateKey, HybridPublicKey
from aegis_stream.wire import kek_id

if TYPE_CHECKING:
    from aegis_stream.kek.secret import Secret


def load_private_key(raw: Secret[bytes], *, public: bytes, source: str) -> HybridPrivateKey:
    """Load the 2,432 bytes and hold them against the public key; `source` says in errors where they came from.

    Raises KEKError(MISMATCH): they do not belong together; KeyRefusedError: LENGTH, INCONSISTENT, MODULUS, LOW_ORDER.
    The errors are made anew here, since the frames of the ones below would hold the bytes.
    """
    if len(raw) != PRIVATE_KEY_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"{source}: a HybridKEM private key has {PRIVATE_KEY_BYTES} bytes, this one has {len(raw)}",
            remedy="a public key has 1,216 bytes: look whether the two were swapped or one was cut off",
        )
    reason = KeyReason.INCONSISTENT
    try:
        return HybridPrivateKey.from_bytes(raw.reveal(), public=public)
    except KeyRefusedError as error:
        reason = KeyReason(error.reason)
    if reason is KeyReason.MISMATCH:
        raise KEKError(
            KEKReason.MISMATCH,
            f"{source}: the KEK's private key does not belong to its public key",
            remedy="the two values come from different provisionings: take both from the same one",
        )
    raise KeyRefusedError(reason, f"{source}: the KEK's private key is damaged", remedy="take it from a backup")


def load_public_key(raw: bytes, *, source: str) -> bytes:
    """Check the 1,216 bytes and return them; raises KeyRefusedError: LENGTH, MODULUS, LOW_ORDER.

    A private key in its place (swapped variables) is refused by its length, and no frame of the error holds it.
    """
    given = len(raw)
    reason, message, remedy = "", "", ""
    try:
        return HybridPublicKey.from_bytes(raw).raw
    except KeyRefusedError as error:
        reason, message, remedy = error.reason, str(error), error.remedy
    del raw
    raise KeyRefusedError(KeyReason(reason), f"{source}: {message} ({given} bytes)", remedy=remedy)


class HeldKEK:
    """Base of the providers that hold the keypair: it decapsulates in memory and shows no byte of the private key.

    It has no `__dict__`, cannot be copied or pickled, and may be called from any number of threads.
    """

    __slots__ = ("_private", "_public", "kek_id")

    name: ClassVar[str]

    _private: HybridPrivateKey | None

    def __init__(self, *, public: bytes, private: HybridPrivateKey | None) -> None:
        """Hold a checked public key (1,216 bytes) and its private key, or None where that comes later."""
        self._public = public
        self._private = private
        self.kek_id: str = kek_id(public)

    def get_public_key(self) -> bytes:
        """Return the KEK's public key, 1,216 bytes."""
        return self._public

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes, of an encapsulation of 1,120 bytes to this KEK.

        Raises KeyRefusedError(ENCAPSULATION).  A changed encapsulation gives another secret and no error.
        """
        return self._key().decapsulate(encapsulation)

    def _key(self) -> HybridPrivateKey:
        """Return the private key."""
        if self._private is None:
            raise KEKError(KEKReason.UNAVAILABLE, f"the {self.name} KEK is not loaded")
        return self._private

    def __repr__(self) -> str:
        """Show the provider and the KEK id, which are public; a crash report may ask before there is one."""
        return f"<{type(self).__name__} {getattr(self, 'kek_id', 'not loaded')}>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "KEK providers hold a private key and are never copied"
        raise TypeError(msg)

"""What stands round a KEK provider and passes everything on to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from aegis_stream.kek.provider import KEKProvider


class KEKWrapper:
    """Base of the wrappers: a provider that asks another one.  They can stand round each other in any order."""

    __slots__ = ("_inner",)

    def __init__(self, inner: KEKProvider) -> None:
        """Stand round `inner`."""
        self._inner = inner

    @property
    def name(self) -> str:
        """Return the name of the provider inside."""
        return self._inner.name

    @property
    def kek_id(self) -> str:
        """Return the KEK id of the provider inside."""
        return self._inner.kek_id

    def get_public_key(self) -> bytes:
        """Return the public key of the provider inside, 1,216 bytes."""
        return self._inner.get_public_key()

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes, as the provider inside finds it."""
        return self._inner.decapsulate(encapsulation)

    def __repr__(self) -> str:
        """Show the wrappers and the provider inside."""
        return f"<{type(self).__name__} of {self._inner!r}>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "KEK providers are never copied"
        raise TypeError(msg)

"""Remembering shared secrets, for a provider that has to ask somebody for each of them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from aegis_stream.kek.secret import Secret
from aegis_stream.kek.single_flight import SingleFlight
from aegis_stream.kek.wrapper import KEKWrapper

if TYPE_CHECKING:
    from aegis_stream.kek.provider import KEKProvider


class CachingKEK(KEKWrapper):
    """Asks the provider inside once for each encapsulation, also when several threads want it at the same time.

    The providers of this package decapsulate in memory and need no cache; one of your own that asks a service for
    each DEK does.  Errors are not remembered.
    """

    __slots__ = ("_flights", "_lock", "_secrets", "_size")

    def __init__(self, inner: KEKProvider, *, size: int = 1024) -> None:
        """Remember the `size` that were used last."""
        super().__init__(inner)
        self._size = size
        self._lock = Lock()
        self._secrets: OrderedDict[bytes, Secret[bytes]] = OrderedDict()
        self._flights: SingleFlight[bytes] = SingleFlight()

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes; raises as the provider inside."""
        name = hashlib.sha256(encapsulation).digest()
        known = self._known(name)
        return known if known is not None else self._flights.do(name, lambda: self._ask(name, encapsulation))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._secrets.clear()

    def _known(self, name: bytes) -> bytes | None:
        with self._lock:
            secret = self._secrets.get(name)
            if secret is not None:
                self._secrets.move_to_end(name)
            return None if secret is None else secret.reveal()

    def _ask(self, name: bytes, encapsulation: bytes) -> bytes:
        known = self._known(name)  # an earlier flight may have landed since the look
        if known is not None:
            return known
        secret = self._inner.decapsulate(encapsulation)
        with self._lock:
            self._secrets[name] = Secret(secret)
            while len(self._secrets) > self._size:
                self._secrets.popitem(last=False)
        return secret

"""Loading a KEK from its keeper once, whatever threads do between the steps."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from aegis_stream.kek.remote import RemoteKEK
from aegis_stream.kek.secret import Secret
from aegis_stream.kek.single_flight import SingleFlight

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.hybrid import HybridKeypair, HybridPrivateKey


class Keeper(RemoteKEK):
    """A keeper that counts how often it is asked."""

    __slots__ = ("asked", "pair")

    name: ClassVar[str] = "counted"

    def __init__(self, pair: HybridKeypair) -> None:
        """Keep a keypair."""
        super().__init__(wrapped=b"x", public_key_bytes=pair.public, source="the test's key")
        self.pair = pair
        self.asked = 0

    def _unwrap(self) -> Secret[bytes]:
        self.asked += 1
        return Secret(self.pair.private)


def test_thread_that_comes_as_the_first_one_lands_asks_nobody(kek_pair: HybridKeypair) -> None:
    """The flight is over and its caller has not gone on yet: there must be no gap in which the key is unknown."""
    keeper = Keeper(kek_pair)

    class Slow(SingleFlight["HybridPrivateKey"]):
        def do(self, key: object, call: Callable[[], HybridPrivateKey]) -> HybridPrivateKey:
            result = super().do(key, call)
            if threading.current_thread().name != "late":
                late = threading.Thread(target=keeper.load, name="late")
                late.start()
                late.join()
            return result

    keeper._flight = Slow()
    keeper.load()
    assert keeper.asked == 1

"""kryoptic in a temporary folder: a second PKCS#11 token, where `make kryoptic` has built it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from aegis_stream.kek.cryptoki import CKR_OK, Cryptoki
from aegis_stream.kek.hsm_library import HsmLibrary
from aegis_stream.kek.pkcs11 import find_token
from tests.support.softhsm import SO_PIN, HsmToken

LIBRARY = Path(__file__).parents[2] / ".cache" / "kryoptic" / "libkryoptic_pkcs11.so"
BUILT = LIBRARY.exists()

_SLOTS = 64
_C_INIT_TOKEN = 9
_LABEL_BYTES = 32
_InitToken = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)


class Kryoptic:
    """The library, pointed at a folder of its own; `token` makes tokens in it, one a slot."""

    def __init__(self, folder: Path) -> None:
        """Write the configuration and point KRYOPTIC_CONF at it: before the library is loaded."""
        self.library = str(LIBRARY)
        self._next_slot = 0
        configuration = folder / "kryoptic.conf"
        configuration.write_text(
            "\n".join(
                f'[[slots]]\nslot = {slot}\ndbtype = "sqlite"\ndbargs = "{folder / f"{slot}.sql"}"'
                for slot in range(_SLOTS)
            )
        )
        os.environ["KRYOPTIC_CONF"] = str(configuration)

    def token(self, label: str, *, pin: str = "2468-user") -> HsmToken:
        """Make a token in the next slot: it has no tool of its own, so C_InitToken and C_InitPIN are called."""
        library = HsmLibrary.open(self.library)
        assert isinstance(library, HsmLibrary)
        library.recover(library.generation)  # a test may have finalized it
        slot, self._next_slot = self._next_slot, self._next_slot + 1
        init_token = _InitToken(Cryptoki(self.library).entry(_C_INIT_TOKEN))
        padded = label.encode().ljust(_LABEL_BYTES)
        assert init_token(slot, SO_PIN.encode(), len(SO_PIN), padded) == CKR_OK
        library.recover(library.generation)
        with library.use():
            token = find_token(library.vendor, label)
            with token.open(rw=True, so_pin=SO_PIN) as session:
                session.init_pin(pin)
        return HsmToken(self.library, label, pin)

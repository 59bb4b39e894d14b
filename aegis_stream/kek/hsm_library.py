"""A PKCS#11 library in this process: loaded once, shared by all its tokens, begun anew when it lost them."""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any, ClassVar

from aegis_stream.errors import KEKReason
from aegis_stream.kek import cryptoki, hsm_errors, pkcs11

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aegis_stream.kek.hsm_errors import Failure
    from aegis_stream.kek.secret import Secret

_DRAIN_S = 30.0
_DIGEST_KEY = os.urandom(32)


@dataclass(slots=True)
class _Login:
    """The one session a token is logged in with; closing it would log every other session out."""

    session: Any
    pin_digest: bytes
    holders: set[int] = field(default_factory=set)


class HsmLibrary:
    """One library for all providers of the process that name it.

    `use` lets any number of threads in at once (one, where the library cannot lock); `recover` waits until they are
    out, finalizes and initializes.  Who was in before has an old generation and opens its session again.  Whoever else
    in the process uses python-pkcs11 with the same library loses sessions then too.
    """

    _lock: ClassVar[Lock] = Lock()
    _open: ClassVar[dict[str, HsmLibrary]] = {}

    def __init__(self, vendor: Any, functions: cryptoki.Cryptoki) -> None:  # noqa: ANN401 - python-pkcs11 has no type
        """Take over a library that python-pkcs11 has loaded; use `open`."""
        self.vendor = vendor
        self.generation = 0
        self._functions = functions
        self._gate = Condition()
        self._inside = 0
        self._recovering = False
        self._several = True
        self._login_lock = Lock()
        self._logins: dict[str, _Login] = {}
        self._refused: set[tuple[str, bytes]] = set()

    @classmethod
    def open(cls, path: str) -> HsmLibrary | Failure:
        """Return the library at a path, loaded and initialized for threads, or what is wrong.

        Two names of one file are one library to the system, and so to its sessions and to the PINs it refused.
        """
        with cls._lock:
            file = os.path.realpath(path)
            library = cls._open.get(file)
            if library is None:
                loaded = _load(path)
                if isinstance(loaded, hsm_errors.Failure):
                    return loaded
                library = loaded
                failure = library.begin()
                if failure is not None:
                    return failure
                cls._open[file] = library
            return library

    @contextmanager
    def use(self) -> Iterator[int]:
        """Stay out of a recovery; yields the generation that sessions must be of."""
        with self._gate:
            self._gate.wait_for(lambda: not self._recovering and (self._several or self._inside == 0))
            self._inside += 1
            generation = self.generation
        try:
            yield generation
        finally:
            with self._gate:
                self._inside -= 1
                self._gate.notify_all()

    def recover(self, generation: int) -> Failure | None:
        """Finalize and initialize, unless another thread has done so since `generation`; returns what is wrong."""
        with self._gate:
            self._gate.wait_for(lambda: not self._recovering)
            if generation != self.generation:
                return None
            self._recovering = True
            drained = self._gate.wait_for(lambda: self._inside == 0, timeout=_DRAIN_S)
        failure = hsm_errors.lost("a call into the PKCS#11 library does not return")
        try:
            if drained:
                return self.begin()
        finally:
            with self._gate:
                self.generation += 1
                self._recovering = False
                self._gate.notify_all()
        return failure

    def begin(self) -> Failure | None:
        """Initialize for threads; a library that cannot lock is used by one thread at a time.

        Only `open` and `recover` call it, when nobody is inside.
        """
        self._logins.clear()
        self._functions.finalize()
        result = self._functions.initialize(threads=True)
        self._several = result not in {cryptoki.CKR_CANT_LOCK, cryptoki.CKR_ARGUMENTS_BAD}
        if not self._several:
            result = self._functions.initialize(threads=False)
        if result in {cryptoki.CKR_OK, cryptoki.CKR_CRYPTOKI_ALREADY_INITIALIZED}:
            return None
        return hsm_errors.lost(f"the PKCS#11 library does not start (C_Initialize: {result:#x})")

    def login(self, holder: int, token: Any, pin: Secret[str]) -> Failure | None:  # noqa: ANN401 - as above
        """Log a token in for a holder, within `use`; a PIN that was refused once is not tried again.

        The token is logged in once for the whole process; whoever comes later must bring the same PIN.
        """
        state = pkcs11.state_of(token)
        digest = hashlib.blake2b(pin.reveal().encode(errors="surrogateescape"), key=_DIGEST_KEY).digest()
        with self._login_lock:
            login = self._logins.get(state.serial)
            if login is not None:
                if not hmac.compare_digest(login.pin_digest, digest):
                    return hsm_errors.PIN_WRONG
                login.holders.add(holder)
                return None
            unfit = hsm_errors.PIN_WRONG if (state.serial, digest) in self._refused else state.unfit_for_login()
            if unfit is not None:
                return unfit
            session = pkcs11.login(token, pin)
            if isinstance(session, hsm_errors.Failure):
                if session is hsm_errors.PIN_WRONG:
                    self._refused.add((state.serial, digest))
                return session
            self._logins[state.serial] = _Login(session, digest, {holder})
            return None

    def release(self, holder: int) -> None:
        """Log out of tokens that nobody else holds."""
        with self._login_lock:
            for serial, login in list(self._logins.items()):
                login.holders.discard(holder)
                if not login.holders:
                    del self._logins[serial]
                    with suppress(Exception):  # the token may be gone; then so is the session
                        login.session.close()


def _load(path: str) -> HsmLibrary | Failure:
    if not pkcs11.installed():
        return hsm_errors.NO_EXTRA
    try:
        functions = cryptoki.Cryptoki(path)
    except (OSError, AttributeError):
        return hsm_errors.final(
            KEKReason.INCOMPLETE,
            "the PKCS#11 library cannot be loaded: there is none at the path that is set",
            "set AEGIS_HSM_PKCS11_LIB to the vendor's library (SoftHSM2: …/softhsm/libsofthsm2.so)",
        )
    try:
        vendor = pkcs11.open_library(path)
        vendor.finalize()
    except Exception as error:  # noqa: BLE001 - whatever the vendor's library raises becomes one of ours
        return pkcs11.explain(error)
    return HsmLibrary(vendor, functions)

"""An AES-256 wrapping key inside an HSM, behind a pool of sessions that comes back after a loss."""

from __future__ import annotations

import time
from contextlib import suppress
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from aegis_stream.errors import ConfigurationError, KEKReason
from aegis_stream.kek import hsm_errors, pkcs11
from aegis_stream.kek.hsm_errors import Failure, Kind
from aegis_stream.kek.hsm_library import HsmLibrary

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aegis_stream.kek.secret import Secret

POOL_SIZE = 4

_LEAST_BYTES = 16

_DELAYS_S = (0.1, 0.5, 2.0)
"""How long to wait before each further try after a loss."""

_Result = TypeVar("_Result")


class HsmWrappingKey:
    """Wraps and unwraps with an AES key that never leaves the token (RFC 5649), from any number of threads."""

    def __init__(  # noqa: PLR0913 - the guide's four, and two that rarely change
        self,
        *,
        pkcs11_lib: str,
        token_label: str,
        pin: Secret[str],
        key_label: str,
        pool_size: int = POOL_SIZE,
        mechanism: int | None = None,
    ) -> None:
        """Name the key; the token is asked at the first use.  `mechanism` overrides what the token's list suggests.

        Raises ConfigurationError: a pool of less than one session, which everybody would wait for.
        """
        if pool_size < 1:
            raise ConfigurationError("the pool of an HSM needs a session at least", remedy="leave pool_size at 4")
        self._path = pkcs11_lib
        self._token_label = token_label
        self._pin = pin
        self._key_label = key_label
        self._wanted = mechanism
        self._slots = BoundedSemaphore(pool_size)
        self._idle_lock = Lock()
        self._idle: list[tuple[int, pkcs11.Access]] = []

    def make(self) -> None:
        """Make the AES-256 key inside the token: it can wrap and unwrap, and cannot leave.

        Raises KEKError (CONFLICT: the label is taken) and KEKUnavailableError.
        """
        self._persist(self._make)

    def wrap(self, raw: Secret[bytes]) -> bytes:
        """Return the wrapped bytes, 8 more than a multiple of 8.  Raises KEKError and KEKUnavailableError."""
        return self._run(lambda access: pkcs11.wrap(access, raw))

    def unwrap(self, wrapped: bytes) -> Secret[bytes]:
        """Return the bytes.  Raises KEKError (BAD_BLOB: not wrapped by this key) and KEKUnavailableError."""
        if len(wrapped) < _LEAST_BYTES or len(wrapped) % 8:  # not of RFC 5649; some tokens unwrap nothing to nothing
            raise hsm_errors.BAD_BLOB.error()
        return self._run(lambda access: pkcs11.unwrap(access, wrapped))

    def mechanism(self) -> int:
        """Return the number of the mechanism in use; raises as `wrap`."""
        return self._run(lambda access: access.mechanism)

    def close(self) -> None:
        """Close the pool's sessions and log out, unless others in the process hold the token."""
        library = HsmLibrary.open(self._path)
        if isinstance(library, Failure):
            return
        with library.use() as generation:
            with self._idle_lock:
                idle, self._idle = self._idle, []
            for born, access in idle:
                if born == generation:
                    _close(access)
            library.release(id(self))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Show nothing of how it is reached."""
        return "<HsmWrappingKey>"

    def _run(self, call: Callable[[pkcs11.Access], _Result]) -> _Result:
        """Run a call in a session of the pool."""
        return self._persist(lambda library, generation: self._in_session(library, generation, call))

    def _persist(self, step: Callable[[HsmLibrary, int], _Result | Failure]) -> _Result:
        """Run a step; after a loss begin anew, a bounded number of times."""
        outcome = self._attempt(step)
        for delay_s in _DELAYS_S:
            if not isinstance(outcome, Failure) or outcome.kind is Kind.FINAL:
                break
            time.sleep(delay_s)
            outcome = self._attempt(step)
        if isinstance(outcome, Failure):  # outside every handler: no frame of the vendor's hangs on the error
            raise outcome.error()
        return outcome

    def _attempt(self, step: Callable[[HsmLibrary, int], _Result | Failure]) -> _Result | Failure:
        library = HsmLibrary.open(self._path)
        if isinstance(library, Failure):
            return library
        outcome: _Result | Failure
        with self._slots, library.use() as generation:
            try:
                outcome = step(library, generation)
            except Exception as error:  # noqa: BLE001 - whatever the vendor's library raises becomes one of ours
                outcome = pkcs11.explain(error)
        if isinstance(outcome, Failure) and outcome.kind is not Kind.FINAL:
            library.recover(generation)
        return outcome

    def _in_session(
        self, library: HsmLibrary, generation: int, call: Callable[[pkcs11.Access], _Result]
    ) -> _Result | Failure:
        """Borrow or open a session, run the call, give the session back if it is sound."""
        access = self._borrow(library, generation)
        if isinstance(access, Failure):
            return access
        try:
            result = call(access)
        except Exception as error:  # noqa: BLE001 - whatever the vendor's library raises becomes one of ours
            failure = pkcs11.explain(error)
        else:
            self._give_back(generation, access)
            return result
        if failure.kind is Kind.UNCLEAR and pkcs11.works(access):
            failure = hsm_errors.BAD_BLOB
        if failure.kind is Kind.FINAL:
            self._give_back(generation, access)
        return failure

    def _borrow(self, library: HsmLibrary, generation: int) -> pkcs11.Access | Failure:
        with self._idle_lock:
            self._idle = [(born, access) for born, access in self._idle if born == generation]
            if self._idle:
                return self._idle.pop()[1]
        token = self._enter(library)
        if isinstance(token, Failure):
            return token
        mechanism = choose_mechanism(pkcs11.state_of(token), self._wanted)
        if isinstance(mechanism, Failure):
            return mechanism
        return pkcs11.open_access(token, self._key_label, mechanism)

    def _give_back(self, generation: int, access: pkcs11.Access) -> None:
        with self._idle_lock:
            self._idle.append((generation, access))

    def _enter(self, library: HsmLibrary) -> Any | Failure:  # noqa: ANN401 - python-pkcs11 has no type for a token
        """Find the token and see to it that it is logged in."""
        token = pkcs11.find_token(library.vendor, self._token_label)
        if isinstance(token, Failure):
            return token
        failure = library.login(id(self), token, self._pin)
        return token if failure is None else failure

    def _make(self, library: HsmLibrary, _generation: int) -> Failure | None:
        token = self._enter(library)
        if isinstance(token, Failure):
            return token
        if pkcs11.has_key(token, self._key_label):
            return hsm_errors.LABEL_TAKEN
        pkcs11.make_key(token, self._key_label)
        return None


def choose_mechanism(token: pkcs11.TokenState, wanted: int | None) -> int | Failure:
    """Return the token's mechanism for RFC 5649 with padding.

    0x210B is the standard one.  0x210A is taken on SoftHSM alone, which means RFC 5649 by it; elsewhere it may be
    another padding.  `wanted` is taken if the token lists it.
    """
    if wanted is not None:
        if wanted in token.mechanisms:
            return wanted
    elif pkcs11.AES_KEY_WRAP_KWP in token.mechanisms:
        return pkcs11.AES_KEY_WRAP_KWP
    elif pkcs11.AES_KEY_WRAP_PAD in token.mechanisms and token.manufacturer.startswith("SoftHSM"):
        return pkcs11.AES_KEY_WRAP_PAD
    asked = "CKM_AES_KEY_WRAP_KWP (0x210B)" if wanted is None else f"mechanism {wanted:#x}"
    return hsm_errors.final(
        KEKReason.UNSUPPORTED,
        f"the token does not offer {asked}",
        "AEGIS_HSM_MECHANISM names another mechanism for RFC 5649, by number; docs/hsm.md lists tokens",
    )


def _close(access: pkcs11.Access) -> None:
    with suppress(Exception):  # the token may be gone; then so is the session
        access.session.close()

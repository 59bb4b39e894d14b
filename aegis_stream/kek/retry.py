"""Trying again while the KEK's keeper is away: a bounded number of times in a call, without end at a start."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKUnavailableError
from aegis_stream.kek.audit import AuditedKEK
from aegis_stream.kek.choice import mentioned
from aegis_stream.kek.daemon import in_daemon, silent_for
from aegis_stream.kek.provider import check_kek, get_kek_provider
from aegis_stream.kek.variables import NEXT_PREFIX, PREFIX, Variables
from aegis_stream.kek.wrapper import KEKWrapper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aegis_stream.kek.provider import KEKProvider

_log = logging.getLogger("aegis_stream.kek")

_PATIENCE_S = 30.0
"""How long a keeper may be silent before it is said: KMS has given up by then, an HSM's library may never."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait between tries: doubled each time up to a limit, then spread by chance over its upper half."""

    first_s: float = 0.5
    most_s: float = 30.0

    def delays_s(self) -> Iterator[float]:
        """Yield the waits, without end."""
        delay_s = self.first_s
        while True:
            yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
            delay_s = min(delay_s * 2, self.most_s)


class RetryingKEK(KEKWrapper):
    """Tries a decapsulation again while the provider inside says that this may help."""

    __slots__ = ("_attempts", "_backoff", "_sleep")

    def __init__(
        self,
        inner: KEKProvider,
        *,
        attempts: int = 4,
        backoff: Backoff = Backoff(most_s=5.0),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Try `attempts` times in all; the last error is raised."""
        super().__init__(inner)
        self._attempts = attempts
        self._backoff = backoff
        self._sleep = sleep

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes; raises as the provider inside."""
        delays_s = self._backoff.delays_s()
        for _ in range(self._attempts - 1):
            try:
                return self._inner.decapsulate(encapsulation)
            except KEKUnavailableError as error:
                _log.warning("%s KEK: %s; trying again", self.name, error)
            self._sleep(next(delays_s))
        return self._inner.decapsulate(encapsulation)


async def wait_for_kek(
    load: Callable[[], KEKProvider],
    *,
    backoff: Backoff = Backoff(),
    on_wait: Callable[[KEKUnavailableError], None] | None = None,
) -> KEKProvider:
    """Return a provider that was loaded and checked, waiting without end while its keeper is away.

    `load` (for example `get_kek_provider`) runs in a thread, so the event loop goes on and can say "not ready";
    `on_wait` hears why it waits, also where a call into a vendor's library does not return.  Cancel the task to give
    up: the process can end then, whatever the call does.  Raises at once what no waiting mends: KEKError,
    KeyRefusedError, ConfigurationError.
    """
    for delay_s in backoff.delays_s():
        try:
            return await _patiently(asyncio.wrap_future(in_daemon(lambda: _load_and_check(load))), on_wait)
        except KEKUnavailableError as error:
            _log.warning("waiting for the KEK: %s; next try in %.1f s", error, delay_s)
            if on_wait is not None:
                on_wait(error)
        await asyncio.sleep(delay_s)
    msg = "the waits have no end"
    raise AssertionError(msg)


async def _patiently(
    loading: asyncio.Future[KEKProvider], on_wait: Callable[[KEKUnavailableError], None] | None
) -> KEKProvider:
    """Return the outcome of a load, and say at intervals that there is none yet: a second call would hang as well."""
    waited_s = 0.0
    try:
        while not (await asyncio.wait({loading}, timeout=_PATIENCE_S))[0]:
            waited_s += _PATIENCE_S
            silence = silent_for(waited_s)
            _log.warning("waiting for the KEK: %s", silence)
            if on_wait is not None:
                on_wait(silence)
        return loading.result()
    finally:
        loading.cancel()


async def wait_for_keks(
    *,
    backoff: Backoff = Backoff(),
    on_wait: Callable[[KEKUnavailableError], None] | None = None,
) -> tuple[KEKProvider, ...]:
    """Return what a reader holds: the KEK that the environment configures, and during a rotation the next one too.

    In-memory is never chosen.  Every use of them is reported to the logger aegis_stream.audit.  Waits and raises as
    `wait_for_kek`.
    """
    keks: list[KEKProvider] = []
    for prefix in (PREFIX, NEXT_PREFIX):
        if prefix == PREFIX or mentioned(Variables(prefix=prefix)):
            load = partial(get_kek_provider, prefix=prefix, allow_in_memory=False)
            keks.append(AuditedKEK(await wait_for_kek(load, backoff=backoff, on_wait=on_wait)))
    return tuple(keks)


def _load_and_check(load: Callable[[], KEKProvider]) -> KEKProvider:
    provider = load()
    check_kek(provider)
    return provider

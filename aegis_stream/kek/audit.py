"""A record of every use of a KEK."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from aegis_stream.errors import AegisError
from aegis_stream.kek.secret import Secret
from aegis_stream.kek.wrapper import KEKWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.kek.provider import KEKProvider

_log = logging.getLogger("aegis_stream.audit")


@dataclass(frozen=True, slots=True)
class KEKUse:
    """One use of a KEK; nothing in it is secret.

    `encapsulation` is the first 16 hex digits of SHA-256 of what was decapsulated, so that a use can be matched with
    the wrapped DEK it opened; `result` is `ok` or the reason of the error.
    """

    at: str
    provider: str
    kek_id: str
    encapsulation: str
    result: str


def log_use(use: KEKUse) -> None:
    """Write a use as one line of JSON to the logger aegis_stream.audit."""
    _log.info("%s", orjson.dumps({"event": "kek.decapsulate", **asdict(use)}).decode())


class AuditedKEK(KEKWrapper):
    """Reports each decapsulation before its result is given out: what cannot be recorded does not happen."""

    __slots__ = ("_report",)

    def __init__(self, inner: KEKProvider, report: Callable[[KEKUse], None] = log_use) -> None:
        """Report to `report`; if that raises, so does the decapsulation."""
        super().__init__(inner)
        self._report = report

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes; raises as the provider inside and as `report`."""
        result = "error"
        try:
            secret = Secret(self._inner.decapsulate(encapsulation))
            result = "ok"
        except AegisError as error:
            result = error.reason
            raise
        finally:
            self._report(self._use(encapsulation, result))
        return secret.reveal()

    def _use(self, encapsulation: bytes, result: str) -> KEKUse:
        return KEKUse(
            at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            provider=self.name,
            kek_id=self.kek_id,
            encapsulation=hashlib.sha256(encapsulation).hexdigest()[:16],
            result=result,
        )

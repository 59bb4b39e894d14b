"""What leaves beside the value: the record's key and its headers.

A record keyed by actor_id tells the actor although the field is encrypted, and so does a header that repeats it.  So
keys become pseudonyms or are dropped, and what is kept must not hold a sensitive string of its event.
"""

from __future__ import annotations

import hmac
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.settings import Settings

    Headers = Sequence[tuple[str, bytes | None]]

_log = structlog.get_logger(__name__)

OWN_PREFIX = "aegis-"
"""Headers that begin so are ours to write; incoming ones are removed."""


class KeyRule(StrEnum):
    """What becomes of a record's key."""

    PSEUDONYM = "pseudonym"
    DROP = "drop"
    KEEP = "keep"


class SideDoors:
    """Decides about keys and headers, and counts what it dropped.  Used by one thread at a time."""

    def __init__(self, rule: KeyRule, pseudonym_key: bytes | None = None) -> None:
        """`pseudonym_key` (32 bytes) is needed by PSEUDONYM; without it keys are dropped."""
        self._hmac = None
        if rule is KeyRule.PSEUDONYM and pseudonym_key is None:
            rule = KeyRule.DROP
        elif rule is KeyRule.PSEUDONYM and pseudonym_key is not None:
            self._hmac = hmac.new(pseudonym_key, digestmod="sha256")
        self.rule = rule
        self.dropped: Counter[str] = Counter()

    @classmethod
    def from_settings(cls, settings: Settings) -> SideDoors:
        """Read AEGIS_RECORD_KEY and AEGIS_PSEUDONYM_KEY; says in the log if keys are dropped for want of the latter."""
        rule, secret = KeyRule(settings.record_key), settings.pseudonym_key
        if rule is KeyRule.PSEUDONYM and secret is None:
            _log.warning("record keys are dropped: there is no key for pseudonyms", remedy="set AEGIS_PSEUDONYM_KEY")
        return cls(rule, None if secret is None else secret.get_secret_value())

    @property
    def lets_keys_through(self) -> bool:
        """Whether a key may leave without its event being known: as a pseudonym, or kept by the operator's choice."""
        return self.rule is not KeyRule.DROP

    def to_judge(self, record: ConsumerRecord[bytes | None, bytes | None]) -> bool:
        """Tell whether its key or headers can only be judged with the event's sensitive strings."""
        return bool(record.headers) or (record.key is not None and self.rule is KeyRule.KEEP)

    def any_to_judge(self, records: Sequence[ConsumerRecord[bytes | None, bytes | None]]) -> bool:
        """Tell the same of a list, quickly where there is none, as mostly."""
        if self.rule is KeyRule.KEEP:
            return any(map(self.to_judge, records))
        return bool([None for record in records if record.headers])

    def key(self, key: bytes | None, sensitive: Collection[bytes]) -> bytes | None:
        """Return the key to write: hex HMAC-SHA-256, the key itself where it may be kept, or None."""
        if key is None or self.rule is KeyRule.DROP:
            return None
        if self._hmac is not None:
            mac = self._hmac.copy()
            mac.update(key)
            return mac.hexdigest().encode()
        if _holds(key, sensitive):
            self.dropped["key"] += 1
            return None
        return key

    def headers(self, headers: Headers, sensitive: Collection[bytes]) -> list[tuple[str, bytes | None]]:
        """Return the headers to write, in their order."""
        kept: list[tuple[str, bytes | None]] = []
        for name, value in headers:
            if name.lower().startswith(OWN_PREFIX):
                self.dropped["own-header"] += 1
            elif _holds(name.encode(), sensitive) or (value is not None and _holds(value, sensitive)):
                self.dropped["header"] += 1
            else:
                kept.append((name, value))
        return kept


def _holds(text: bytes, sensitive: Collection[bytes]) -> bool:
    return any(one in text for one in sensitive)

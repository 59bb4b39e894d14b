"""The audit of override decisions: which were verified, which a key has signed, and what must be signed again.

Each event is judged as of the time of its raw record, by the keys of that time.  A request is its override id and the
hash that is signed; of its events the last one that the audited key has signed says what that key has left behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aegis_stream.custodian.override import (
    OverrideRefusedError,
    OverrideRequest,
    is_override_event,
    signed_hash,
    verify_override,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from aegis_stream.custodian.override import CustodianKeys, OverrideVerdict


@dataclass(frozen=True, slots=True)
class OverrideFinding:
    """One override event: where it stands, when its raw record was written, and the judgement."""

    place: str
    at: dt.datetime
    verdict: OverrideVerdict
    requested_at: str
    expires_at: str

    def signed_by(self, key_id: str) -> bool:
        """Tell whether this key has signed it, whichever rule the event breaks."""
        return key_id in {self.verdict.risk_key, self.verdict.security_key}


@dataclass(frozen=True, slots=True)
class PendingOverride:
    """A request that is open and that the audited key has signed; `event` is in the clear."""

    finding: OverrideFinding
    roles: tuple[str, ...]
    event: Mapping[str, Any]


class OverrideAudit:
    """Show it every event of the encrypted topic, decrypted; then read `findings` and `pending`."""

    def __init__(self, keys: CustodianKeys, *, key_id: str | None) -> None:
        """`key_id`: the key whose decisions are looked for, None for everybody's."""
        self.findings: list[OverrideFinding] = []
        self._keys = keys
        self._key_id = key_id
        self._seen: set[str] = set()
        self._by_key: dict[tuple[str, bytes | None], tuple[Mapping[str, Any], OverrideFinding]] = {}
        self._without_key: set[tuple[str, bytes | None]] = set()

    def add(self, event: Mapping[str, Any], *, at: dt.datetime, place: str, source: str | None) -> None:
        """Judge an event; others than override events, and repeats of one source, are passed over."""
        if not is_override_event(event) or (source is not None and source in self._seen):
            return
        if source is not None:
            self._seen.add(source)
        verdict = verify_override(event, keys=self._keys, at=at)
        finding = OverrideFinding(place, at, verdict, _text(event, "requested_at"), _text(event, "expires_at"))
        request = (verdict.override_id, signed_hash(event))
        if self._key_id is not None and finding.signed_by(self._key_id):
            self._by_key[request] = (event, finding)
        elif verdict.verified:
            self._without_key.add(request)
        if self._key_id is None or finding.signed_by(self._key_id):
            self.findings.append(finding)

    def pending(self, now: dt.datetime) -> list[PendingOverride]:
        """Return the requests that must be signed again: signed by the key, window open, and not to be verified now.

        One that both custodians have decided by other keys is done.  An event that anybody can write takes none away.
        """
        found = []
        for request, (event, finding) in self._by_key.items():
            roles = tuple(
                role
                for role, signer in (
                    ("risk-lead", finding.verdict.risk_key),
                    ("security-lead", finding.verdict.security_key),
                )
                if signer == self._key_id
            )
            if request not in self._without_key and self._is_open(event, now):
                found.append(PendingOverride(finding, roles, event))
        return found

    def _is_open(self, event: Mapping[str, Any], now: dt.datetime) -> bool:
        try:
            request = OverrideRequest.from_event(event)
        except OverrideRefusedError:
            return False
        return now < request.end and not verify_override(event, keys=self._keys, at=now).verified


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    return value if isinstance(value, str) else ""

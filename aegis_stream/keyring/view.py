"""What a keyring shows: one state of it at a time, never changed once it is made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from aegis_stream.errors import KeyringStaleError
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.pii import Policy
    from aegis_stream.wire import DekVersion


class Freshness(StrEnum):
    """How far the manifest in force can be relied on."""

    ABSENT = "absent"
    FRESH = "fresh"
    GRACE = "grace"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, eq=False)
class ActiveDek:
    """What a writer encrypts under."""

    version: DekVersion
    public_key: HybridPublicKey
    policy: Policy
    signed: bool


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One state of the keyring, replaced as a whole and never changed, so any thread may read it.

    value: the manifest's record as it stands on the topic.  records: by version, only those that the manifest names.
    generation: see `Keyring.generation`.  usable_until: POSIX seconds at which the grace ends; 0 without a manifest.
    """

    manifest: Manifest | None
    value: bytes
    records: Mapping[str, DekRecord]
    active: ActiveDek | None
    generation: int
    usable_until: float

    def require_usable(self, now_s: float) -> Manifest:
        """Return the manifest at a moment in POSIX seconds.

        Raises KeyringStaleError: there is none, or its life and grace are over.
        """
        if self.manifest is not None and now_s < self.usable_until:
            return self.manifest
        expiry = None if self.manifest is None else time_text(self.manifest.expires_at)
        what = "there is none" if expiry is None else f"the last one expired at {expiry}"
        raise KeyringStaleError(
            f"no manifest can be relied on: {what}",
            remedy="see that the rotation agent runs (`aegis run rotator`) and that the clocks agree",
        )


def active_dek(manifest: Manifest, records: Mapping[str, DekRecord]) -> ActiveDek | None:
    """Return what new events are encrypted under, None where the record is not there."""
    entry = manifest.active
    record = records.get(entry.version.text)
    if record is None:
        return None
    public_key = HybridPublicKey.from_bytes(record.public_key)
    return ActiveDek(entry.version, public_key, manifest.policy_of(entry), entry.signed)

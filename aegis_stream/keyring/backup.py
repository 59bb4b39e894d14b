"""A backup of the keyring: the manifest's record and every DEK record that it names, as they stand on the topic.

    {"v": 1, "manifest": b64, "deks": [b64, …]}

Nothing in it is secret without a KEK, and nothing in it is believed but what an agent's pinned key has signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.manifest import MANIFEST_KEY, MAX_DEKS
from aegis_stream.keyring.strict_json import Members, octets_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from aegis_stream.keyring.manifest import Manifest

FORMAT_VERSION = 1
MAX_BACKUP_BYTES = 134_217_728


@dataclass(frozen=True, slots=True)
class Backup:
    """The Kafka values of the DEK records, by key in the order of n, and of the manifest."""

    records: tuple[tuple[str, bytes], ...]
    manifest: bytes

    @classmethod
    def of(cls, keyring: Keyring) -> Self:
        """Take what a keyring holds.

        Raises ManifestRefusedError(HASH): it has no manifest, or a record of a DEK that is not destroyed is missing.
        """
        manifest = keyring.manifest
        found = []
        lost = ["manifest"] if manifest is None else []
        for entry in () if manifest is None else manifest.deks:
            value = keyring.record_value(entry.version.text)
            if value is not None:
                found.append((f"dek/{entry.version}", value))
            elif entry.state is not DekState.DESTROYED:
                lost.append(entry.version.text)
        if lost:
            raise ManifestRefusedError(
                ManifestReason.HASH,
                f"the control topic has not all: {', '.join(lost)} is missing",
                remedy="an earlier backup may have it: `aegis keys restore`",
            )
        return cls(tuple(found), keyring.view.value)

    @property
    def writes(self) -> tuple[tuple[str, bytes], ...]:
        """All records in the order of writing, the manifest last."""
        return (*self.records, (MANIFEST_KEY, self.manifest))

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        deks = [{"record": octets_text(value)} for _, value in self.records]
        shape = {"v": FORMAT_VERSION, "manifest": octets_text(self.manifest), "deks": deks}
        return orjson.dumps(shape, option=orjson.OPT_INDENT_2)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a file.  Raises ManifestRefusedError(PAYLOAD): it is no backup.  Nothing is verified yet."""
        members = Members.parse(raw, record="backup", max_bytes=MAX_BACKUP_BYTES)
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        manifest = members.octets("manifest")
        records = members.each("deks", lambda member: member.octets("record"), what="a DEK record", most=MAX_DEKS)
        members.done()
        return cls(tuple((DekRecord.from_bytes(value).key, value) for value in records), manifest)

    def verified(self, *, deployment: str, agent_keys: Iterable[bytes], now: dt.datetime) -> Manifest:
        """Return the manifest, however old, once everything in the backup has been found genuine.

        Raises ManifestRefusedError: as a follower would refuse it; HASH: a record is missing or not the one it names.
        """
        keyring = Keyring(deployment=deployment, agent_keys=agent_keys, accept_expired=True)
        for key, value in self.writes:
            keyring.offer(key, value, now=now)
        again = Backup.of(keyring)
        manifest = keyring.manifest
        if manifest is None or dict(again.records) != dict(self.records):
            raise ManifestRefusedError(ManifestReason.HASH, "backup: a record is not the one that its manifest names")
        return manifest

"""The DEK records a follower has read: the last few of each key, and every one that the manifest names.

A record is read before the manifest that names it, so values must be kept that nothing speaks for yet.  The last 4 of
each version are, within a budget of bytes; what the manifest in force names stays whatever else is written over it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from aegis_stream.keyring.dek_record import MAX_RECORD_BYTES, record_sha256
from aegis_stream.wire.versions import is_dek_version

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_VALUES = 4
BUDGET_BYTES = 67_108_864


class RecordShelf:
    """Kafka values of DEK records by version and SHA-256."""

    def __init__(self, *, budget_bytes: int = BUDGET_BYTES) -> None:
        """`budget_bytes` bounds the values that no manifest names; the versions written longest ago go first."""
        self._budget_bytes = budget_bytes
        self._spare_bytes = 0
        self._spare: dict[str, deque[tuple[str, bytes]]] = {}
        self._names: dict[str, str] = {}
        self._named: dict[str, bytes] = {}

    def put(self, version: str, value: bytes) -> bool:
        """Keep a value; returns True if it is one that the manifest names and that was missing.

        What cannot be a DEK record, by its version or its size, is let go at once.
        """
        if len(value) > MAX_RECORD_BYTES or not is_dek_version(version):
            return False
        sha256 = record_sha256(value)
        if self._names.get(version) == sha256:
            missing = version not in self._named
            self._named[version] = value
            return missing
        values = self._spare.pop(version, deque(maxlen=KEPT_VALUES))
        if len(values) == KEPT_VALUES:
            self._spare_bytes -= len(values[0][1])
        values.append((sha256, value))
        self._spare[version] = values  # at the end: written most recently
        self._spare_bytes += len(value)
        while self._spare_bytes > self._budget_bytes:
            oldest = next(iter(self._spare))
            self._spare_bytes -= sum(len(spare) for _, spare in self._spare.pop(oldest))
        return False

    def name(self, names: Mapping[str, str]) -> None:
        """Take over what a new manifest names, version to SHA-256; values that it no longer names may go."""
        named = {}
        for version, sha256 in names.items():
            value = self._named.get(version) if self._names.get(version) == sha256 else None
            for spare_sha256, spare in self._spare.get(version, ()):
                if value is None and spare_sha256 == sha256:
                    value = spare
            if value is not None:
                named[version] = value
        self._names, self._named = dict(names), named

    def named(self, version: str) -> bytes | None:
        """Return the value that the manifest names, None where it has not been read."""
        return self._named.get(version)

"""What it takes to write under one DEK version, and the door behind which encrypting happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.encryption import Protected, Rejected, WriterStats
    from aegis_stream.hybrid import HybridPublicKey


class BatchEncryptor(Protocol):
    """The door `protect_batch` of PIIEncryptor, behind which a faster one, or a benchmark's stand-in, may stand."""

    @property
    def stats(self) -> WriterStats:
        """Counts since it was made."""
        ...

    def protect_batch(
        self, raw: Sequence[bytes], *, sources: Sequence[str] | None = None, collect_sensitive: bool = False
    ) -> list[Protected | Rejected]:
        """Protect events given as JSON bytes, one result each, in order."""
        ...


class Writer(NamedTuple):
    """One DEK version: its encryptor, and its public key to seal dead letters with."""

    dek_version: str
    encryptor: BatchEncryptor
    dek_public_key: HybridPublicKey

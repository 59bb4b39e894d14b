"""A stand-in for `protect_batch` that copies.

Only benchmarks have it, and hand it to the enricher themselves: no setting of the product passes plaintext.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.encryption import Protected, WriterStats
from aegis_stream.pii import Classifier, Policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aegis_stream.encryption import Rejected
    from aegis_stream.keyring.view import ActiveDek
    from aegis_stream.session_signer import SessionSigner


class CopyingEncryptor:
    """Gives every event back as it came, and counts it."""

    def __init__(self, _active: ActiveDek, _signer: SessionSigner | None, _max_output_bytes: int) -> None:
        """Take what the real one is made of."""
        self.stats = WriterStats(Classifier(Policy.default()))

    def protect_batch(
        self,
        raw: Sequence[bytes],
        *,
        sources: Sequence[str] | None = None,  # noqa: ARG002 - the door's signature
        collect_sensitive: bool = False,  # noqa: ARG002
    ) -> list[Protected | Rejected]:
        """Protect nothing."""
        results: list[Protected | Rejected] = [Protected(one) for one in raw]
        self.stats.count(raw, results)
        return results

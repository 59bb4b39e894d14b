"""One DEK, an event, and a writer and a reader of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.encryption import PIIDecryptor, PIIEncryptor, ReadingKey, create_pii_decryptor
from aegis_stream.errors import ReadReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.pii import Policy

if TYPE_CHECKING:
    from aegis_stream.session_signer import SessionSigner

PAIR = HybridKEM.generate_keypair()
PRIVATE = HybridPrivateKey.from_bytes(PAIR.private)
VERSION = "dek-v1-20260101"
EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "kind": "proposal",
    "actor_id": "alice",
    "nested": [{"signer_id": 7, "open": True}],
    "workflow_id": None,
}


def enricher(**options: Any) -> PIIEncryptor:  # noqa: ANN401
    """Make an encryptor for the DEK."""
    return PIIEncryptor(public_key=PAIR.public, dek_version=VERSION, **options)


def decryptor(**options: Any) -> PIIDecryptor:  # noqa: ANN401
    """Make a decryptor for the DEK."""
    return create_pii_decryptor(private_key=PAIR.private, dek_version=VERSION, **options)


def protect(event: dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Protect one event."""
    return enricher(**options)(event)


class Signed:
    """A DekSource that knows the DEK and one signer; signed: whether sessions must be."""

    def __init__(self, signer: SessionSigner, *, signed: bool) -> None:
        """Take the signer whose key it gives."""
        self.generation = 1
        self.answer: bytes | ReadReason = signer.public
        self.key_id = signer.key_id
        self.signed = signed

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the DEK for any version."""
        return ReadingKey(
            version=version,
            decapsulate=PRIVATE.decapsulate,
            public_key=PAIR.public,
            policy=Policy.default(),
            signed=self.signed,
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        """Return what `answer` says of the signer, and know no other."""
        assert version == VERSION
        return self.answer if key_id == self.key_id else ReadReason.SIGNER_UNKNOWN

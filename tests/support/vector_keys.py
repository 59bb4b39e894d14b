"""The vectors' keyrings as the library takes them."""

from __future__ import annotations

import functools

from aegis_stream.encryption import PIIDecryptor, ReadingKey
from aegis_stream.errors import ReadReason
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.pii import Policy
from tests.support import vectors


@functools.cache
def private_key(pair: str) -> HybridPrivateKey:
    """Load a named pair's private key."""
    return HybridPrivateKey.from_bytes(vectors.private(pair), public=vectors.public(pair))


class VectorKeys:
    """A DekSource that answers as keyrings.json says."""

    generation = 1

    def __init__(self, keyring: str) -> None:
        """Take a named keyring."""
        known = vectors.load("keyrings")
        self._ring = known["keyrings"][keyring]
        self._policies = {name: Policy.from_json(policy) for name, policy in known["policies"].items()}

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the key of a version or the reason."""
        entry = self._ring["deks"].get(version, {"reason": "dek-unknown"})
        if "reason" in entry:
            return ReadReason(entry["reason"])
        key = private_key(version)
        return ReadingKey(
            version=version,
            decapsulate=key.decapsulate,
            public_key=key.public,
            policy=self._policies[entry["policy"]],
            signed=entry["signed"],
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        """Return the enricher's public key or the reason; all versions alike."""
        del version
        entry = self._ring["signers"].get(key_id, {"reason": "signer-unknown"})
        return ReadReason(entry["reason"]) if "reason" in entry else bytes.fromhex(entry["public"])


def decryptor(keyring: str) -> PIIDecryptor:
    """Make a library reader over a named keyring."""
    return PIIDecryptor(VectorKeys(keyring))

"""The vectors' keyrings as the library takes them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from aegis_stream.encryption import Opened, PIIDecryptor, ReadingKey, Unreadable
from aegis_stream.encryption.engine import find_native
from aegis_stream.errors import ReadReason
from aegis_stream.hybrid import HybridPrivateKey
from aegis_stream.pii import Policy
from tests.support import vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aegis_stream.encryption import DekSource

ENGINES = ("python", "native") if find_native().module else ("python",)


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


class EveryEngine:
    """The library's reader in each engine that is installed; they must give the same answers."""

    def __init__(self, keys: DekSource) -> None:
        """Make a reader an engine."""
        self.readers = [PIIDecryptor(keys, engine=engine) for engine in ENGINES]

    def open_batch(self, raw: Sequence[bytes]) -> list[Opened | Unreadable]:
        """Open a batch in every engine; `repr` of an event tells 1 from 1.0 and True, and keeps the order."""
        answers = [reader.open_batch(raw) for reader in self.readers]
        shown = [[repr(one.event) if isinstance(one, Opened) else "" for one in answer] for answer in answers]
        assert all(answer == answers[0] for answer in answers)
        assert all(texts == shown[0] for texts in shown)
        return answers[0]

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Open one event of Python values, in the reference engine."""
        return self.readers[0](event)


def decryptor(keyring: str) -> EveryEngine:
    """Make library readers over a named keyring."""
    return EveryEngine(VectorKeys(keyring))

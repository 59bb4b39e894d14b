"""Where a reader's keys come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aegis_stream.errors import ReadReason
from aegis_stream.pii import Policy
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadingKey:
    """One DEK version as a reader uses it.

    decapsulate: encapsulation (1,120 bytes) to shared secret (32); raises KeyRefusedError(ENCAPSULATION).
    public_key: the DEK's, 1,216 bytes.  policy: what had to be encrypted under this version.
    signed: whether its sessions must be signed; None where no manifest says, then signatures are not judged.
    """

    version: str
    decapsulate: Callable[[bytes], bytes]
    public_key: bytes
    policy: Policy
    signed: bool | None

    def __repr__(self) -> str:
        """Show the version only."""
        return f"<ReadingKey {self.version}>"


class DekSource(Protocol):
    """Knows DEK versions and who may sign their sessions."""

    @property
    def generation(self) -> int:
        """Return a number that changes whenever an answer below may change."""
        ...

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the key of a version, or why its events are refused."""
        ...

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        """Return the Ed25519 public key (32 bytes) that may sign sessions of a version, or why it may not."""
        ...


class SingleDek:
    """A DekSource of one version, without a manifest: library use, tests, recovery with a bare key."""

    generation = 0

    def __init__(
        self, *, dek_version: str, public_key: bytes, decapsulate: Callable[[bytes], bytes], policy: Policy | None
    ) -> None:
        """Raise KeyRefusedError(DEK_VERSION) where the version has not its form."""
        self._key = ReadingKey(
            version=DekVersion.parse(dek_version).text,
            decapsulate=decapsulate,
            public_key=public_key,
            policy=policy or Policy.default(),
            signed=None,
        )

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the one key, or DEK_UNKNOWN."""
        return self._key if version == self._key.version else ReadReason.DEK_UNKNOWN

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:  # noqa: ARG002 - the protocol's form
        """Know nobody; never asked, since `signed` is None."""
        return ReadReason.SIGNER_UNKNOWN

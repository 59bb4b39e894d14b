"""The record of one DEK on the control topic, under the key `dek/<version>`.

    {"v": 1, "version": …, "public_key": b64 (1,216), "wraps": {"kek-<16 hex>": b64 (3,582), …}}

It is bare JSON and trusted only because a manifest names the SHA-256 of exactly these bytes.  A destroyed DEK has no
wraps.  See docs/control-topic.md, "DEK records", and docs/wire-format.md, "A wrapped DEK private key".
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson

from aegis_stream.hybrid import PUBLIC_KEY_BYTES, HybridKEM, HybridPrivateKey, HybridPublicKey
from aegis_stream.keyring.entries import check_key
from aegis_stream.keyring.manifest import FORMAT_VERSION, MAX_KEKS
from aegis_stream.keyring.strict_json import Members, octets_text
from aegis_stream.wire import kek_id
from aegis_stream.wrapping import WRAPPED_BYTES, wrap_dek

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aegis_stream.wire import DekVersion

DEK_PREFIX = "dek/"
MAX_RECORD_BYTES = 65_536

_KEK_ID = re.compile(r"kek-[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DekRecord:
    """A DEK's public key (1,216 bytes) and, by KEK id, its private key wrapped under that KEK (3,582 bytes)."""

    version: DekVersion
    public_key: bytes
    wraps: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def generate(cls, version: DekVersion, kek_public_keys: Iterable[bytes]) -> Self:
        """Make a new DEK and wrap its private key under each KEK; nothing else of that key remains.

        Raises KeyRefusedError: a KEK's public key is refused.
        """
        private = HybridPrivateKey.from_bytes(HybridKEM.generate_keypair().private)
        wraps = {
            kek_id(public_key): wrap_dek(private, dek_version=version.text, kek_public_key=public_key)
            for public_key in kek_public_keys
        }
        return cls(version, private.public, wraps)

    @property
    def sha256(self) -> str:
        """What a manifest names: the SHA-256 of the record's bytes, in hex."""
        return record_sha256(self.to_bytes())

    @property
    def key(self) -> str:
        """The record's key on the control topic."""
        return DEK_PREFIX + self.version.text

    def to_bytes(self) -> bytes:
        """Return the Kafka value, KEK ids in order."""
        return orjson.dumps(
            {
                "v": FORMAT_VERSION,
                "version": self.version.text,
                "public_key": octets_text(self.public_key),
                "wraps": {kek_id: octets_text(self.wraps[kek_id]) for kek_id in sorted(self.wraps)},
            }
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read the Kafka value.

        Raises ManifestRefusedError(PAYLOAD): not of this shape, more than 8 wraps, or the public key fails its checks.
        """
        members = Members.parse(raw, record="DEK record", max_bytes=MAX_RECORD_BYTES)
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        version = members.version("version")
        public_key = members.octets("public_key", length=PUBLIC_KEY_BYTES)
        check_key(members, public_key, HybridPublicKey.from_bytes)
        wraps = members.members("wraps", what="the wraps")
        names = wraps.names()
        if len(names) > MAX_KEKS or not all(_KEK_ID.fullmatch(name) for name in names):
            members.refuse("its wraps are too many or not named by KEK ids")
        record = cls(version, public_key, {name: wraps.octets(name, length=WRAPPED_BYTES) for name in names})
        members.done()
        return record


def record_sha256(value: bytes) -> str:
    """Return what a manifest names: SHA-256 of the Kafka value's bytes, in hex."""
    return hashlib.sha256(value).hexdigest()

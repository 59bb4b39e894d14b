"""DEK private keys wrapped under a KEK.

    wrapped = u8(0x11) ‖ u8('k') ‖ encapsulation to the KEK (1,120) ‖ nonce (12) ‖ ciphertext (2,432) ‖ tag (16)

3,582 bytes.  Only the wrapping names the KEK, so a DEK can be wrapped again under another without touching an event.
See docs/wire-format.md, "A wrapped DEK private key".
"""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.hybrid import ENCAPSULATION_BYTES, PRIVATE_KEY_BYTES, HybridPrivateKey, HybridPublicKey
from aegis_stream.wire import ALG, DekVersion, kek_id, lp

_HEAD = b"\x11k"
_NONCE_BYTES = 12
_TAG_BYTES = 16
WRAPPED_BYTES = len(_HEAD) + ENCAPSULATION_BYTES + _NONCE_BYTES + PRIVATE_KEY_BYTES + _TAG_BYTES


class Decapsulator(Protocol):
    """What unwrapping needs of a KEK: every KEK provider has it."""

    def get_public_key(self) -> bytes:
        """Return the KEK's public key, 1,216 bytes."""
        ...

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes."""
        ...


def _key(shared_secret: bytes, kek_public_key: bytes) -> AESGCM:
    info = lp(b"aegis-stream/v1/wrap") + lp(ALG.encode()) + lp(hashlib.sha256(kek_public_key).digest())
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(shared_secret))


def _aad(dek_version: str, kek_public_key: bytes, dek_public_key: bytes) -> bytes:
    DekVersion.parse(dek_version)
    return (
        lp(b"aegis-stream/v1/dek") + lp(dek_version.encode()) + lp(kek_id(kek_public_key).encode()) + lp(dek_public_key)
    )


def wrap_dek(dek: HybridPrivateKey, *, dek_version: str, kek_public_key: bytes) -> bytes:
    """Wrap a DEK's private key under a KEK's public key; 3,582 bytes.  Needs no KEK private key.

    Raises KeyRefusedError: the KEK's public key or the version's form is refused.
    """
    aad = _aad(dek_version, kek_public_key, dek.public)
    encapsulation, secret = HybridPublicKey.from_bytes(kek_public_key).encapsulate()
    nonce = os.urandom(_NONCE_BYTES)
    return _HEAD + encapsulation + nonce + _key(secret, kek_public_key).encrypt(nonce, dek.export(), aad)


def unwrap_dek(wrapped: bytes, *, dek_version: str, dek_public_key: bytes, kek: Decapsulator) -> HybridPrivateKey:
    """Unwrap a DEK's private key with a KEK.

    Raises KeyRefusedError: LENGTH or UNWRAP (not such a record, changed, or of another KEK, version or DEK), MISMATCH
    (the key inside does not belong to `dek_public_key`); and what the KEK raises when it is away.
    """
    if len(wrapped) != WRAPPED_BYTES:
        raise KeyRefusedError(KeyReason.LENGTH, f"a wrapped DEK has {WRAPPED_BYTES} bytes, this one has {len(wrapped)}")
    if not wrapped.startswith(_HEAD):
        raise KeyRefusedError(KeyReason.UNWRAP, "not a wrapped DEK of this format version")
    kek_public_key = kek.get_public_key()
    aad = _aad(dek_version, kek_public_key, dek_public_key)
    after_kem = len(_HEAD) + ENCAPSULATION_BYTES
    secret = kek.decapsulate(wrapped[len(_HEAD) : after_kem])
    nonce, body = wrapped[after_kem : after_kem + _NONCE_BYTES], wrapped[after_kem + _NONCE_BYTES :]
    private: bytes | None
    try:
        private = _key(secret, kek_public_key).decrypt(nonce, body, aad)
    except InvalidTag:
        private = None
    if private is None:
        raise KeyRefusedError(
            KeyReason.UNWRAP,
            f"the wrapped key of {dek_version} does not open under {kek_id(kek_public_key)}",
            remedy="it was wrapped under another KEK, belongs to another version, or was changed",
        )
    return HybridPrivateKey.from_bytes(private, public=dek_public_key)

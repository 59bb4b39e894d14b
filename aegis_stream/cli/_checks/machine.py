"""The machine: versions of what we stand on, whether its mechanisms work and agree, and its clock."""

from __future__ import annotations

import hmac
import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.backends.openssl.backend import backend
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aegis_stream.cli._checks.check import Check, Status
from aegis_stream.encryption.engine import engine_name, find_native
from aegis_stream.hybrid import HybridKEM
from aegis_stream.signature import HybridSignature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PACKAGES = ("cryptography", "pqcrypto", "orjson", "aiokafka", "faust-streaming")
_EXTRAS = {"boto3": "kms", "python-pkcs11": "hsm"}
_RELEASED_S = 1_760_000_000  # a clock before October 2025 was never set


def look_at_machine() -> Iterator[Check]:
    """Yield the rows."""
    yield Check(
        "machine", "python", Status.OK, f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    yield Check("machine", "aegis-stream", Status.OK, version("aegis-stream"))
    for package in _PACKAGES:
        yield Check("machine", package, Status.OK, version(package))
    yield Check("machine", "OpenSSL", Status.OK, backend.openssl_version_text())
    for package, extra in _EXTRAS.items():
        yield Check("machine", package, Status.OK, _version(package) or f"not installed (extra {extra})")
    yield _engine()
    for name, works in _MECHANISMS.items():
        yield _mechanism(name, works)
    yield _clock()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _engine() -> Check:
    """Tell which engine AEGIS_ENGINE=auto takes."""
    native = find_native()
    if native.module is not None:
        return Check("machine", "engine", Status.OK, engine_name(native.module))
    return Check("machine", "engine", Status.OK, f"{engine_name(None)}: {native.why}")


def _kem() -> bool:
    """One library encapsulates, the other decapsulates."""
    pair = HybridKEM.generate_keypair()
    encapsulated = HybridKEM.encapsulate(pair.public)
    return hmac.compare_digest(
        HybridKEM.decapsulate(pair.private, encapsulated.encapsulation), encapsulated.shared_secret
    )


def _signature() -> bool:
    pair = HybridSignature.generate_keypair()
    return HybridSignature.verify(pair.public, b"probe", HybridSignature.sign(pair.private, b"probe"))


def _cipher() -> bool:
    cipher, nonce = AESGCM(AESGCM.generate_key(256)), os.urandom(12)
    return cipher.decrypt(nonce, cipher.encrypt(nonce, b"probe", b"aad"), b"aad") == b"probe"


_MECHANISMS: dict[str, Callable[[], bool]] = {
    "X25519 with ML-KEM-768": _kem,
    "Ed25519 with ML-DSA-44": _signature,
    "AES-256-GCM": _cipher,
}


def _mechanism(name: str, works: Callable[[], bool]) -> Check:
    found = "gives back something else"
    try:
        if works():
            return Check("machine", name, Status.OK, "works")
    except UnsupportedAlgorithm:
        found = "is not supported by the OpenSSL that cryptography stands on"
    return Check(
        "machine", name, Status.FAILED, found, "install the wheels of cryptography and pqcrypto for this platform anew"
    )


def _clock() -> Check:
    now_s = time.time()
    shown = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))
    if now_s < _RELEASED_S:
        return Check("clock", "set", Status.FAILED, shown, "set the clock (UTC): manifests are refused by it")
    return Check("clock", "set", Status.OK, shown)

"""The fixed keys, policies and keyrings of the vectors, and randomness that is told by a label."""

from __future__ import annotations

import functools
import hashlib
from typing import TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.second_decoder import writer, xwing
from tests.support.second_decoder.frames import b64, kek_id, signer_id
from tests.support.second_decoder.policy import Policy

Object: TypeAlias = "dict[str, object]"

ACTIVE, OLD, UNSIGNED = "dek-v3-20260401", "dek-v2-20260101", "dek-v1-20251001"
REVOKED, DESTROYED, BELOW, UNKNOWN = "dek-v4-20260402", "dek-v5-20260403", "dek-v6-20260404", "dek-v7-20260405"
LONGEST = "dek-v999999999-99991231"
BARE = "dek-v1-20260101"
AT = "2026-04-01T12:00:00Z"

POLICIES: dict[str, Object] = {
    "default": {"id": "default", "names": [], "pointers": [], "exclude": []},
    "wide": {
        "id": "wide",
        "names": ["e-mail", "Event ID"],
        "pointers": ["/people/*/phone", "/list/*", "/matrix/*/1", "/a~1b/c~0d", "/*/deep", "/stars/*/x", "/numbers/0"],
        "exclude": ["workflow_id", "/meta/actor_id", "/people/0/phone", "/skipped/*/signer_id"],
    },
}


def drawn(label: str, size: int) -> bytes:
    """Give `size` bytes that follow from the label alone (SHAKE-256)."""
    return hashlib.shake_256(b"aegis-stream vectors: " + label.encode()).digest(size)


def seed(name: str) -> bytes:
    """Give the 32-byte seed of a named key."""
    return drawn(f"key {name}", 32)


@functools.cache
def pair(name: str) -> xwing.Pair:
    """Expand the named HybridKEM pair."""
    return xwing.expand(seed(name))


@functools.cache
def signer_public(name: str) -> bytes:
    """Give the Ed25519 public key of a named enricher."""
    return Ed25519PrivateKey.from_private_bytes(seed(name)).public_key().public_bytes_raw()


@functools.cache
def session(version: str, label: str = "session", signer: str | None = None) -> writer.Session:
    """Open a named session of a DEK version."""
    secret = seed(signer) if signer else None
    return writer.open_session(pair(version).public, version, drawn(f"{label} {version}", 64), secret)


def draw(label: str, at: str = AT) -> writer.Draw:
    """Give the randomness of a named event."""
    return writer.Draw(drawn(f"id {label}", 16), lambda index: drawn(f"nonce {label} {index}", 12), at)


def policy(name: str) -> Policy:
    """Read a named policy."""
    return Policy.make(POLICIES[name])


def keyrings() -> Object:
    """Describe all keys and what a reader knows of them; the content of keyrings.json."""
    current = {"public": signer_public("enricher-1").hex()}
    signers = {
        signer_id(signer_public("enricher-1")): current,
        signer_id(signer_public("enricher-2")): {"reason": "signer-revoked"},
    }
    states = {REVOKED: "dek-revoked", DESTROYED: "dek-destroyed", BELOW: "dek-below-minimum"}
    deployment: Object = {
        ACTIVE: {"policy": "default", "signed": True},
        OLD: {"policy": "wide", "signed": True},
        UNSIGNED: {"policy": "default", "signed": False},
        **{version: {"reason": reason} for version, reason in states.items()},
    }
    bare = {version: {"policy": "default", "signed": None} for version in (BARE, ACTIVE, LONGEST)}
    return {
        "pairs": {name: _pair(name) for name in (BARE, ACTIVE, OLD, UNSIGNED, LONGEST, "kek-1", "kek-2")},
        "enrichers": {name: _enricher(name) for name in ("enricher-1", "enricher-2", "enricher-3")},
        "policies": POLICIES,
        "keyrings": {
            "deployment": {"deks": deployment, "signers": signers},
            "bare": {"deks": bare, "signers": {}},
            "bare-wide": {"deks": {BARE: {"policy": "wide", "signed": None}}, "signers": {}},
        },
    }


def _pair(name: str) -> Object:
    made = pair(name)
    return {
        "seed": seed(name).hex(),
        "private": b64(made.private),
        "public": b64(made.public),
        "kek_id": kek_id(made.public),
    }


def _enricher(name: str) -> Object:
    public = signer_public(name)
    return {"seed": seed(name).hex(), "public": public.hex(), "key_id": signer_id(public)}

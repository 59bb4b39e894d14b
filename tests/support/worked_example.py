"""Every value on the way from one frozen event to its plaintext, computed from the primitives alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pqcrypto.kem import ml_kem_768

from tests.support import vectors
from tests.support.second_decoder import xwing
from tests.support.second_decoder.frames import ALG, lp, sha256

KEK = "kek-1"
CIPHERTEXT_BYTES = 1088
LABEL = bytes.fromhex("5c2e2f2f5e5c")


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _expand(prk: bytes, info: bytes, size: int) -> bytes:
    """Compute HKDF-Expand with SHA-256."""
    out, block = b"", b""
    while len(out) < size:
        block = _mac(prk, block + info + bytes([len(out) // 32 + 1]))
        out += block
    return out[:size]


def _secrets(prefix: str, private: bytes, encapsulation: bytes) -> dict[str, bytes]:
    """Decapsulate, step by step."""
    ciphertext, ephemeral = encapsulation[:CIPHERTEXT_BYTES], encapsulation[CIPHERTEXT_BYTES:]
    post_quantum = ml_kem_768.decaps(private[:2400], ciphertext)
    classical = xwing.x25519(private[2400:], ephemeral)
    public = xwing.x25519_public(private[2400:])
    shared = hashlib.sha3_256(post_quantum + classical + ephemeral + public + LABEL).digest()
    return {
        f"{prefix}ct_X": ephemeral,
        f"{prefix}ss_M": post_quantum,
        f"{prefix}ss_X": classical,
        f"{prefix}pk_X": public,
        f"{prefix}shared secret": shared,
    }


def unwrapping(version: str) -> dict[str, bytes]:
    """Give the values of a wrapped DEK private key's opening."""
    (case,) = [
        one for one in vectors.load("wrapped_deks")["wrapped"] if (one["dek_version"], one["kek"]) == (version, KEK)
    ]
    wrapped, public = base64.b64decode(case["wrapped"]), vectors.public(KEK)
    found = _secrets("KEK ", vectors.private(KEK), wrapped[2:1122])
    found["KEK id"] = b"kek-" + sha256(public).hex()[:16].encode()
    found["wrap info"] = lp("aegis-stream/v1/wrap") + lp(ALG) + lp(sha256(public))
    found["wrap key"] = _expand(_mac(b"", found["KEK shared secret"]), found["wrap info"], 32)
    found["wrap nonce"] = wrapped[1122:1134]
    found["wrap aad"] = lp("aegis-stream/v1/dek") + lp(version) + lp(found["KEK id"]) + lp(vectors.public(version))
    private = AESGCM(found["wrap key"]).decrypt(found["wrap nonce"], wrapped[1134:], found["wrap aad"])
    assert private == vectors.private(version)
    return found | {"DEK private key": private}


def event() -> dict[str, bytes]:
    """Give the values of the worked event, and check on the way that they hold."""
    case = vectors.load("schedule")
    encrypted: dict[str, Any] = json.loads(case["encrypted"])
    aegis = encrypted["_aegis"]
    version, kem = aegis["dek"], base64.b64decode(aegis["kem"])
    found = unwrapping(version) | _secrets("", vectors.private(version), kem)
    found["session message"] = lp("aegis-stream/v1/session") + lp(version) + lp(sha256(kem))
    (enricher,) = [one for one in vectors.load("keyrings")["enrichers"].values() if one["key_id"] == aegis["by"]]
    found["enricher's public key"] = bytes.fromhex(enricher["public"])
    found["sig"] = base64.b64decode(aegis["sig"])
    Ed25519PublicKey.from_public_bytes(found["enricher's public key"]).verify(found["sig"], found["session message"])
    found["info"] = (
        lp("aegis-stream/v1") + lp(ALG) + lp(version) + lp(sha256(vectors.public(version))) + lp(aegis["by"])
    )
    found["prk"] = _mac(b"", found["shared secret"])
    okm = _expand(found["prk"], found["info"], 96)
    found |= {"field key": okm[:32], "commitment key": okm[32:64], "set key": okm[64:]}
    found["binding"] = lp(aegis["id"]) + lp(aegis["src"]) + b"\1" + lp(encrypted["event_id"])
    commitments = b""
    fields = {"/actor_id": ("m", encrypted["actor_id"])}
    fields["/approvals/0/signer_id"] = ("mim", encrypted["approvals"][0]["signer_id"])
    for path, (kinds, field) in fields.items():
        values = _field(path, kinds, field, found)
        commitments += values[f"{path} commitment"]
        found |= values
    found["set message"] = (
        lp("aegis-stream/v1/set") + lp(version) + found["binding"] + (2).to_bytes(4, "big") + commitments
    )
    found["set tag"] = _mac(found["set key"], found["set message"])
    assert found["set tag"].hex() == aegis["set"]
    return found


def _field(path: str, kinds: str, field: dict[str, Any], session: dict[str, bytes]) -> dict[str, bytes]:
    blob = base64.b64decode(field["_ciphertext"])
    head = lp("aegis-stream/v1/field") + lp(field["_dek_version"]) + session["binding"] + lp(field["_encrypted_at"])
    aad = head + lp(path) + lp(kinds) + blob[:2]
    plaintext = AESGCM(session["field key"]).decrypt(blob[2:14], blob[14:], aad)
    commitment = _mac(session["commitment key"], aad + plaintext)
    assert commitment.hex() == field["_plaintext_hash"]
    return {
        f"{path} blob": blob,
        f"{path} nonce": blob[2:14],
        f"{path} aad": aad,
        f"{path} plaintext": plaintext,
        f"{path} commitment": commitment,
    }

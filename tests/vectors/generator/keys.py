"""HybridKEM: expanded pairs, encapsulations, and keys that must be refused; the content of hybrid_kem.json."""

from __future__ import annotations

import hashlib

from pqcrypto.kem import ml_kem_768

from tests.support.second_decoder import xwing
from tests.support.second_decoder.frames import b64

from . import material
from .bad_events import LOW_ORDER
from .material import ACTIVE, BARE, Object


def hybrid_kem() -> Object:
    """Make the file's content."""
    return {
        "encapsulations": _encapsulations(),
        "implicit_rejections": _implicit(),
        "refused_encapsulations": _refused(),
        "refused_public_keys": _public_keys(),
        "refused_private_keys": _private_keys(),
    }


def _encapsulations() -> list[Object]:
    made: list[Object] = []
    for name in (BARE, ACTIVE, "kek-1"):
        eseed = material.drawn(f"encapsulation {name}", 64)
        encapsulation, shared = xwing.encapsulate(material.pair(name).public, eseed)
        case: Object = {"pair": name, "eseed": eseed.hex(), "encapsulation": b64(encapsulation), "shared": shared.hex()}
        made.append(case)
    return made


def _implicit() -> list[Object]:
    """ML-KEM gives another secret for a changed ciphertext, no error: SHAKE256(z, ciphertext) stands for ss_M."""
    pair = material.pair(BARE)
    encapsulation, _ = xwing.encapsulate(pair.public, material.drawn(f"encapsulation {BARE}", 64))
    made: list[Object] = []
    for at in (0, 1087):
        changed = bytearray(encapsulation)
        changed[at] ^= 1
        rejected = hashlib.shake_256(pair.private[2368:2400] + bytes(changed[:1088])).digest(32)
        if rejected != ml_kem_768.decaps(pair.private[:2400], bytes(changed[:1088])):
            raise AssertionError("the two ways to the rejected secret differ")
        shared = xwing.decapsulate(pair.private, bytes(changed))
        made.append({"pair": BARE, "encapsulation": b64(bytes(changed)), "shared": shared.hex()})
    return made


def _refused() -> list[Object]:
    encapsulation, _ = xwing.encapsulate(material.pair(BARE).public, material.drawn("refused", 64))
    made: list[Object] = [
        {
            "name": f"low-order-{i}",
            "encapsulation": b64(encapsulation[:1088] + bytes.fromhex(point)),
            "reason": "encapsulation",
        }
        for i, point in enumerate(LOW_ORDER)
    ]
    made += [
        {"name": f"length-{size}", "encapsulation": b64((encapsulation * 2)[:size]), "reason": "length"}
        for size in (0, 1088, 1119, 1121)
    ]
    return made


def _public_keys() -> list[Object]:
    public = material.pair(BARE).public
    above = bytearray(public)
    above[0], above[1] = 0x01, (above[1] & 0xF0) | 0x0D  # the first coefficient is 3329
    largest = b"\xff" * 3 + public[3:]
    last = public[:1149] + b"\xff" * 3 + public[1152:]
    keys = [(f"length-{size}", (public * 2)[:size], "length") for size in (0, 32, 1184, 1215, 1217, 2432)]
    keys += [
        (f"modulus-{name}", key, "modulus") for name, key in (("3329", bytes(above)), ("4095", largest), ("last", last))
    ]
    keys += [(f"low-order-{i}", public[:1184] + bytes.fromhex(point), "low-order") for i, point in enumerate(LOW_ORDER)]
    made: list[Object] = []
    for name, key, reason in keys:
        try:
            xwing.check_public(key)
        except xwing.BadKeyError as error:
            if error.reason != reason:
                raise
        else:
            raise AssertionError(name)
        made.append({"name": name, "public": b64(key), "reason": reason})
    return made


def _private_keys() -> list[Object]:
    pair, other = material.pair(BARE), material.pair(ACTIVE)
    secret = bytearray(pair.private)
    secret[5] ^= 1
    stored = bytearray(pair.private)
    stored[1200] ^= 1
    digest = bytearray(pair.private)
    digest[2336] ^= 1
    rehashed = bytes(stored[:2336]) + hashlib.sha3_256(bytes(stored[1152:2336])).digest() + bytes(stored[2368:])
    mixed = other.private[:1152] + pair.private[1152:]
    keys: list[tuple[str, bytes, bytes | None, str]] = [
        (f"length-{size}", (pair.private * 2)[:size], None, "length") for size in (0, 32, 1216, 2400, 2431, 2433)
    ]
    keys += [
        ("secret-changed", bytes(secret), None, "inconsistent"),
        ("stored-public-changed", bytes(stored), None, "inconsistent"),
        ("stored-hash-changed", bytes(digest), None, "inconsistent"),
        ("public-changed-and-hashed", rehashed, None, "inconsistent"),
        ("secret-of-another", mixed, None, "inconsistent"),
        ("public-of-another", pair.private, other.public, "mismatch"),
        ("x25519-of-another", pair.private[:2400] + other.private[2400:], pair.public, "mismatch"),
    ]
    made: list[Object] = []
    for name, key, public, reason in keys:
        try:
            xwing.check_private(key, public)
        except xwing.BadKeyError as error:
            if error.reason != reason:
                raise
        else:
            raise AssertionError(name)
        made.append({"name": name, "private": b64(key), "public": b64(public) if public else None, "reason": reason})
    return made

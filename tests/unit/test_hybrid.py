"""HybridKEM: what is refused on load, and that no key shows itself."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest

from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.hybrid import (
    ENCAPSULATION_BYTES,
    PRIVATE_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    HybridKEM,
    HybridKeypair,
    HybridPrivateKey,
    HybridPublicKey,
)

LOW_ORDER_POINTS = (
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
)


@pytest.fixture(scope="module")
def pair() -> HybridKeypair:
    """One keypair for this file."""
    return HybridKEM.generate_keypair()


def refused(reason: KeyReason) -> pytest.RaisesExc[KeyRefusedError]:
    """Expect a refusal with exactly this reason."""
    return pytest.raises(KeyRefusedError, check=lambda error: error.reason == reason)


def test_sizes_are_those_of_the_guide(pair: HybridKeypair) -> None:
    """Operators recognise keys by their sizes: 1,216 and 2,432 bytes."""
    assert (len(pair.public), len(pair.private)) == (PUBLIC_KEY_BYTES, PRIVATE_KEY_BYTES) == (1216, 2432)
    assert len(HybridKEM.encapsulate(pair.public).encapsulation) == ENCAPSULATION_BYTES == 1120


def test_both_sides_share_the_secret(pair: HybridKeypair) -> None:
    """The mechanism's one promise."""
    encapsulation, secret = HybridKEM.encapsulate(pair.public)
    assert HybridKEM.decapsulate(pair.private, encapsulation) == secret
    assert HybridKEM.encapsulate(pair.public).shared_secret != secret


@pytest.mark.parametrize("length", [0, 32, 1184, 1215, 1217, 2432])
def test_public_key_of_another_length_is_refused(length: int) -> None:
    """A truncated or swapped key must not get as far as an encryption."""
    with refused(KeyReason.LENGTH):
        HybridPublicKey.from_bytes(bytes(length))


@pytest.mark.parametrize("length", [0, 64, 1216, 2400, 2431, 2433])
def test_private_key_of_another_length_is_refused(length: int) -> None:
    """ML-KEM's 64-byte seed form, too, is not what the format stores."""
    with refused(KeyReason.LENGTH):
        HybridPrivateKey.from_bytes(bytes(length))


def test_public_key_beyond_the_modulus_is_refused(pair: HybridKeypair) -> None:
    """FIPS 203 demands the check; a key that fails it was not made by key generation."""
    with refused(KeyReason.MODULUS):
        HybridPublicKey.from_bytes(b"\xff\xff\xff" + pair.public[3:])


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[:8])
def test_public_key_of_low_order_is_refused(pair: HybridKeypair, point: bytes) -> None:
    """The classical half would be zero for everybody."""
    with refused(KeyReason.LOW_ORDER):
        HybridPublicKey.from_bytes(pair.public[:1184] + point)


@pytest.mark.parametrize("point", LOW_ORDER_POINTS, ids=lambda point: point.hex()[:8])
def test_encapsulation_of_low_order_is_refused(pair: HybridKeypair, point: bytes) -> None:
    """An all-zero X25519 result is no secret."""
    key = HybridPrivateKey.from_bytes(pair.private)
    encapsulation = HybridKEM.encapsulate(pair.public).encapsulation
    with refused(KeyReason.ENCAPSULATION):
        key.decapsulate(encapsulation[:1088] + point)


@pytest.mark.parametrize("length", [0, 1088, 1119, 1121])
def test_encapsulation_of_another_length_is_refused(pair: HybridKeypair, length: int) -> None:
    """A cut encapsulation is refused by name, not by a foreign exception."""
    with refused(KeyReason.ENCAPSULATION):
        HybridPrivateKey.from_bytes(pair.private).decapsulate(bytes(length))


def test_private_key_with_another_hash_is_refused(pair: HybridKeypair) -> None:
    """The stored hash must be that of the stored public key."""
    damaged = bytearray(pair.private)
    damaged[2336] ^= 1
    with refused(KeyReason.INCONSISTENT):
        HybridPrivateKey.from_bytes(bytes(damaged))


def test_private_key_that_does_not_decapsulate_is_refused(pair: HybridKeypair) -> None:
    """A damaged secret half passes the hash and must be found by a try."""
    other = HybridKEM.generate_keypair()
    with refused(KeyReason.INCONSISTENT):
        HybridPrivateKey.from_bytes(other.private[:1152] + pair.private[1152:])


def test_private_key_of_another_public_key_is_refused(pair: HybridKeypair) -> None:
    """Half of a replaced pair must be found at start, not at the first event."""
    with refused(KeyReason.MISMATCH):
        HybridPrivateKey.from_bytes(pair.private, public=HybridKEM.generate_keypair().public)


def test_changed_ciphertext_gives_another_secret_and_no_error(pair: HybridKeypair) -> None:
    """ML-KEM rejects implicitly: whoever relies on an error here is wrong."""
    encapsulation, secret = HybridKEM.encapsulate(pair.public)
    changed = bytes([encapsulation[0] ^ 1]) + encapsulation[1:]
    assert HybridKEM.decapsulate(pair.private, changed) != secret


def test_private_key_exports_what_was_loaded(pair: HybridKeypair) -> None:
    """Wrapping needs the bytes, and these must be the same ones."""
    key = HybridPrivateKey.from_bytes(pair.private, public=pair.public)
    assert key.export() == pair.private
    assert key.public == pair.public


def test_keys_show_a_fingerprint_and_nothing_else(pair: HybridKeypair) -> None:
    """What is printed ends up in logs."""
    fingerprint = hashlib.sha256(pair.public).hexdigest()[:16]
    private, public = HybridPrivateKey.from_bytes(pair.private), HybridPublicKey.from_bytes(pair.public)
    assert repr(private) == f"<HybridPrivateKey of sha256:{fingerprint}>"
    assert repr(public) == f"<HybridPublicKey sha256:{fingerprint}>"
    assert repr(pair) == "<HybridKeypair>"
    assert repr(public.encapsulate()) == "<Encapsulated>"


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy], ids=lambda f: f.__name__)
def test_private_key_refuses_to_be_copied(pair: HybridKeypair, duplicate: object) -> None:
    """A pickled key is a key on a disk."""
    with pytest.raises(TypeError, match="never copied"):
        duplicate(HybridPrivateKey.from_bytes(pair.private))  # type: ignore[operator]

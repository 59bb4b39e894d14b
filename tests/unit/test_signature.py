"""HybridSignature and the strictness of its Ed25519 half."""

from __future__ import annotations

import copy
import hashlib
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aegis_stream import signature as module
from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.signature import (
    PRIVATE_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    AgentSigner,
    HybridSignature,
    agent_key_id,
    check_agent_public,
    check_ed25519_public,
    verify_ed25519,
)

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
SEED = bytes(range(64))
MESSAGE = b"what the agent says"

# The canonical encodings of the eight points of small order, as they stand in the literature on Ed25519.
SMALL_ORDER = {
    "order 1": "0100000000000000000000000000000000000000000000000000000000000000",
    "order 2": "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 4": "0000000000000000000000000000000000000000000000000000000000000000",
    "order 4, negative": "0000000000000000000000000000000000000000000000000000000000000080",
    "order 8": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "order 8, negative": "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "order 8, other": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "order 8, other, negative": "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "order 1, sign set": "0100000000000000000000000000000000000000000000000000000000000080",
    "order 4, y = p": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "order 1, y = p + 1": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}
# RFC 8032, 7.1, test 3: secret key, public key, message, signature.
RFC_SECRET = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
RFC_PUBLIC = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
RFC_MESSAGE = "af82"
RFC_SIGNATURE = (
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


@pytest.fixture(scope="module")
def signer() -> AgentSigner:
    """One signer for all tests that do not change it."""
    return AgentSigner.from_seed(SEED)


def test_sizes_are_those_of_the_format(signer: AgentSigner) -> None:
    """Followers pin keys by length; a drift in a library must not go unseen."""
    keypair = HybridSignature.generate_keypair()
    assert (len(keypair.private), len(keypair.public)) == (PRIVATE_KEY_BYTES, PUBLIC_KEY_BYTES) == (64, 1344)
    assert len(signer.sign(MESSAGE)) == SIGNATURE_BYTES == 2484


def test_both_halves_must_verify(signer: AgentSigner) -> None:
    """A manifest signed by half of the hybrid key is a forgery by someone who broke one of the two."""
    other = AgentSigner.from_seed(bytes(64)).sign(MESSAGE)
    good = signer.sign(MESSAGE)
    assert HybridSignature.verify(signer.public, MESSAGE, good)
    assert not HybridSignature.verify(signer.public, MESSAGE, good[:64] + other[64:])
    assert not HybridSignature.verify(signer.public, MESSAGE, other[:64] + good[64:])
    assert not HybridSignature.verify(signer.public, MESSAGE + b".", good)


def test_each_half_covers_the_whole_message(signer: AgentSigner) -> None:
    """Halves of signatures over two messages must not make one."""
    good, other = signer.sign(MESSAGE), signer.sign(b"another")
    assert not HybridSignature.verify(signer.public, MESSAGE, good[:64] + other[64:])
    assert not HybridSignature.verify(signer.public, b"another", good[:64] + other[64:])


@pytest.mark.parametrize("length", [0, 64, SIGNATURE_BYTES - 1, SIGNATURE_BYTES + 1])
def test_wrong_lengths_of_a_signature_are_false(signer: AgentSigner, length: int) -> None:
    """Malformed is wrong, not an exception that some caller forgets."""
    padded = signer.sign(MESSAGE) + b"\0"
    assert not HybridSignature.verify(signer.public, MESSAGE, padded[:length])


@pytest.mark.parametrize("length", [0, 32, PUBLIC_KEY_BYTES - 1, PUBLIC_KEY_BYTES + 1])
def test_wrong_lengths_of_a_public_key_are_false(signer: AgentSigner, length: int) -> None:
    """Malformed is wrong, not an exception that some caller forgets."""
    assert not HybridSignature.verify((signer.public + b"\0")[:length], MESSAGE, signer.sign(MESSAGE))


@pytest.mark.parametrize("position", [0, 31, 32, 63, 64, 100, SIGNATURE_BYTES - 1])
def test_any_changed_byte_is_refused(signer: AgentSigner, position: int) -> None:
    """Both encodings are canonical: no second signature is made out of a first."""
    changed = bytearray(signer.sign(MESSAGE))
    changed[position] ^= 1
    assert not HybridSignature.verify(signer.public, MESSAGE, bytes(changed))


def test_key_goes_round_through_its_seed(signer: AgentSigner) -> None:
    """The file of 64 bytes is all there is of the agent's key."""
    assert signer.export() == SEED
    keypair = HybridSignature.generate_keypair()
    assert AgentSigner.from_seed(keypair.private).public == keypair.public
    assert HybridSignature.verify(keypair.public, MESSAGE, HybridSignature.sign(keypair.private, MESSAGE))


@pytest.mark.parametrize("length", [0, 32, 63, 65, 1344])
def test_signing_key_of_another_length_is_refused(length: int) -> None:
    """A session-signing key (32 bytes) or a public key given for it is named, not used."""
    with pytest.raises(KeyRefusedError) as refused:
        AgentSigner.from_seed(bytes(length))
    assert refused.value.reason == KeyReason.LENGTH


def test_private_key_shows_and_copies_nothing(signer: AgentSigner) -> None:
    """Keys end up in logs through repr and pickles."""
    keypair = HybridSignature.generate_keypair()
    assert repr(signer) == f"<AgentSigner {agent_key_id(signer.public)}>"
    assert repr(keypair) == "<HybridSigningKeypair>"
    with pytest.raises(TypeError, match="never copied"):
        copy.deepcopy(signer)
    with pytest.raises(TypeError, match="never copied"):
        pickle.dumps(signer)


def test_agent_key_id_names_the_whole_key(signer: AgentSigner) -> None:
    """Two keys that share their Ed25519 half have two ids."""
    digest = hashlib.sha256(signer.public).hexdigest()
    assert signer.key_id == "agent-" + digest[:16]
    assert agent_key_id(signer.public[:32] + bytes(1312)) != signer.key_id


def test_published_signature_verifies() -> None:
    """RFC 8032's own vector, so that strictness refuses no right signature."""
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(RFC_SECRET))
    assert private.sign(bytes.fromhex(RFC_MESSAGE)).hex() == RFC_SIGNATURE
    assert verify_ed25519(bytes.fromhex(RFC_PUBLIC), bytes.fromhex(RFC_MESSAGE), bytes.fromhex(RFC_SIGNATURE))
    assert check_ed25519_public(bytes.fromhex(RFC_PUBLIC)).hex() == RFC_PUBLIC


def test_s_not_below_the_group_order_is_refused() -> None:
    """S + L gives the same point: accepting it would make a second signature out of every first."""
    good = bytes.fromhex(RFC_SIGNATURE)
    s = int.from_bytes(good[32:], "little") + ORDER
    malleable = good[:32] + s.to_bytes(32, "little")
    assert not verify_ed25519(bytes.fromhex(RFC_PUBLIC), bytes.fromhex(RFC_MESSAGE), malleable)


@pytest.mark.parametrize(("public", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_ed25519_of_another_length_is_false(public: int, signature: int) -> None:
    """Malformed is wrong, not an exception."""
    assert not verify_ed25519(bytes(public), b"", bytes(signature))


@pytest.mark.parametrize("encoded", SMALL_ORDER.values(), ids=SMALL_ORDER.keys())
def test_public_keys_of_small_order_are_not_enrolled(encoded: str) -> None:
    """Under such a key a signature that anybody can write verifies for many messages."""
    with pytest.raises(KeyRefusedError) as refused:
        check_ed25519_public(bytes.fromhex(encoded))
    assert refused.value.reason == KeyReason.LOW_ORDER


def test_library_alone_would_take_a_key_of_small_order() -> None:
    """Why the check is ours: should OpenSSL begin to refuse, this test tells."""
    identity = bytes.fromhex(SMALL_ORDER["order 1"])
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), MESSAGE)


def test_table_of_small_orders_is_complete() -> None:
    """The two y of order 8 solve the equation that doubling to y = 0 gives, and there are no others."""
    d = -121665 * pow(121666, -1, P) % P
    eights = module._SMALL_ORDER_Y - {0, 1, P - 1}
    assert len(eights) == 2
    assert all((d * pow(y, 4, P) + 2 * y * y) % P == 1 for y in eights)


@pytest.mark.parametrize(
    "encoded",
    [(2).to_bytes(32, "little"), (P + 3).to_bytes(32, "little"), b"\xff" * 32],
    ids=["no such point", "y above the prime", "all ones"],
)
def test_public_keys_that_are_no_point_are_not_enrolled(encoded: bytes) -> None:
    """OpenSSL loads them and finds out at each verification; an operator should learn it at once."""
    with pytest.raises(KeyRefusedError) as refused:
        check_ed25519_public(encoded)
    assert refused.value.reason == KeyReason.ENCODING


@pytest.mark.parametrize("number", range(20))
def test_ordinary_public_keys_are_enrolled(number: int) -> None:
    """The criterion refuses no key that Ed25519 makes."""
    seed = hashlib.sha256(bytes([number])).digest()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert check_ed25519_public(public) == public


def test_agent_key_is_pinned_only_whole_and_sound(signer: AgentSigner) -> None:
    """A cut key, or one whose classical half signs for everybody, is refused before it is trusted."""
    assert check_agent_public(signer.public) == signer.public
    with pytest.raises(KeyRefusedError) as short:
        check_agent_public(signer.public[:32])
    assert short.value.reason == KeyReason.LENGTH
    with pytest.raises(KeyRefusedError) as low:
        check_agent_public(bytes.fromhex(SMALL_ORDER["order 2"]) + signer.public[32:])
    assert low.value.reason == KeyReason.LOW_ORDER
    with pytest.raises(KeyRefusedError):
        check_ed25519_public(signer.public)

"""BIP322Provider against two implementations that share no code with it, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import bip322
import pytest
from btclib.b58 import prv_key_data_from_wif as wallet_key
from btclib.script.taproot import output_prvkey_from_merkle_root
from btclib_secp256k1.keys import pubkey_from_prvkey
from btclib_wallet import bip322 as wallet
from hypothesis import given, settings
from hypothesis import strategies as st

from aegis_stream.custodian import BIP322Provider, decode_simple, encode_simple
from aegis_stream.custodian.bip322 import sign_message, verify_message
from aegis_stream.custodian.provider import signed_text
from aegis_stream.custodian.taproot import signature_hash
from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.wire import b64decode, b64encode
from tests.support import bip340
from tests.support.bech32 import p2tr_address, script_of

PROVIDER = BIP322Provider()
KEYS = PROVIDER.generate_keypair()
HASH = hashlib.sha256(b"a message").digest()
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "bip" / "bip322.json").read_text("utf-8"))["simple_p2tr"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_keypair_unpacks_as_private_and_public() -> None:
    """The key management guide writes it so; the sizes are fixed by the format."""
    private, public = PROVIDER.generate_keypair()
    assert (len(private), len(public)) == (32, 32)
    assert PROVIDER.public_key(private) == public == bip340.public_key(private)
    assert private.hex() not in repr(PROVIDER.generate_keypair())


def test_signed_text_is_the_prefix_and_the_hash_in_hex() -> None:
    """An operator must be able to sign with any BIP-322 wallet: so the text is frozen."""
    assert signed_text(bytes(32)) == b"aegis-stream:" + b"00" * 32
    assert verify_message(KEYS.public, b"aegis-stream:" + HASH.hex().encode(), PROVIDER.sign(KEYS.private, HASH))


def test_other_implementations_verify_our_signatures() -> None:
    """A wallet in Python with its own script engine, one in Rust, and BIP-340 in plain integers."""
    address, text = p2tr_address(KEYS.public), signed_text(HASH).decode()
    signature = PROVIDER.sign(KEYS.private, HASH)
    simple = encode_simple(signature)
    assert wallet.verify(text.encode(), address, simple)
    assert not wallet.verify(text.encode() + b".", address, simple)
    assert bip322.verify_simple_encoded(address, text, simple.removeprefix("smp")) is None
    with pytest.raises(bip322.VerificationError):
        bip322.verify_simple_encoded(address, text + ".", simple.removeprefix("smp"))
    assert bip340.verify(signature_hash(text.encode(), KEYS.public), KEYS.public, signature)


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: row["message"])
def test_provider_and_wallet_take_each_others_signatures(row: dict[str, str]) -> None:
    """The wallet tweaks the private key as BIP-86 says; the tweaked key is the output key, which we take as it is."""
    address = row["address"]
    key = wallet_key(row["private_keys"][0])
    public = script_of(address)[2:]
    simple = wallet.sign(signed_text(HASH), key, address).b64encode()
    assert PROVIDER.verify(public, HASH, decode_simple(simple))
    tweaked = output_prvkey_from_merkle_root(key.q).to_bytes(32, "big")
    assert PROVIDER.public_key(tweaked) == public
    assert wallet.verify(signed_text(HASH), address, encode_simple(PROVIDER.sign(tweaked, HASH)))


@pytest.mark.parametrize(
    ("private", "reason"),
    [
        (b"", KeyReason.LENGTH),
        (bytes(31), KeyReason.LENGTH),
        (bytes(33), KeyReason.LENGTH),
        (bytes(32), KeyReason.INCONSISTENT),
        (ORDER.to_bytes(32, "big"), KeyReason.INCONSISTENT),
    ],
)
def test_sign_refuses_what_is_no_private_key(private: bytes, reason: KeyReason) -> None:
    """A public key has 32 bytes too; but zero, the order and other lengths cannot be a scalar."""
    with pytest.raises(KeyRefusedError) as caught:
        PROVIDER.sign(private, HASH)
    assert caught.value.reason == reason
    assert caught.value.__context__ is None


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_only_hashes_of_32_bytes_are_signed_and_verified(size: int) -> None:
    """A caller who passes the message for its hash must hear of it, on both sides."""
    for call in (
        lambda: PROVIDER.sign(KEYS.private, bytes(size)),
        lambda: PROVIDER.verify(KEYS.public, bytes(size), bytes(64)),
    ):
        with pytest.raises(KeyRefusedError) as caught:
            call()
        assert caught.value.reason == KeyReason.LENGTH


@pytest.mark.parametrize("form", ["compressed", "uncompressed", "off the curve", "empty"])
def test_verify_takes_only_x_only_keys(form: str) -> None:
    """The library under it reads SEC1 keys as well; one key must not have three names."""
    signature = PROVIDER.sign(KEYS.private, HASH)
    point = pubkey_from_prvkey(KEYS.private, compressed=False)
    public = {
        "compressed": b"\x02" + KEYS.public,
        "uncompressed": point,
        "off the curve": b"\xff" * 32,
        "empty": b"",
    }[form]
    assert PROVIDER.verify(KEYS.public, HASH, signature)
    assert not PROVIDER.verify(public, HASH, signature)


def test_verify_refuses_every_changed_bit() -> None:
    """And a signature with a hash type behind it, which says the same in other bytes."""
    signature = PROVIDER.sign(KEYS.private, HASH)
    for bit in range(0, 512, 7):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not PROVIDER.verify(KEYS.public, HASH, bytes(changed))
    assert not PROVIDER.verify(KEYS.public, HASH, signature + b"\x01")
    assert not PROVIDER.verify(KEYS.public, hashlib.sha256(HASH).digest(), signature)


def test_two_signatures_of_one_hash_differ() -> None:
    """Fresh randomness goes into each nonce, so a fault in one signing gives nothing away."""
    assert PROVIDER.sign(KEYS.private, HASH) != PROVIDER.sign(KEYS.private, HASH)


@settings(deadline=None, derandomize=True)
@given(st.binary(min_size=64, max_size=64))
def test_simple_text_comes_back(signature: bytes) -> None:
    """What is written for other software is read again, with and without its prefix."""
    text = encode_simple(signature)
    assert text.startswith("smp")
    assert len(text) == 91
    assert decode_simple(text) == decode_simple(text.removeprefix("smp")) == signature


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", KeyReason.LENGTH),
        ("not base64!", KeyReason.ENCODING),
        ("ful" + b64encode(b"\x01\x40" + bytes(64)), KeyReason.ENCODING),
        (b64encode(b"\x01\x40" + bytes(64)) + "\n", KeyReason.ENCODING),
        (b64encode(b"\x01\x41" + bytes(65)), KeyReason.LENGTH),
        (b64encode(b"\x02\x40" + bytes(64)), KeyReason.LENGTH),
        (b64encode(bytes(64)), KeyReason.LENGTH),
    ],
)
def test_simple_text_of_any_other_form_is_refused(text: str, reason: KeyReason) -> None:
    """One signature has one text (and its old one)."""
    with pytest.raises(KeyRefusedError) as caught:
        decode_simple(text)
    assert caught.value.reason == reason


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.binary(max_size=70), st.binary(max_size=70))
def test_any_bytes_are_no_signature(public: bytes, signature: bytes) -> None:
    """Verification answers; it does not raise whatever the topic holds."""
    assert not PROVIDER.verify(public, HASH, signature)


def test_signing_needs_the_private_key_of_the_pair() -> None:
    """Another key's signature is not this one's."""
    other = PROVIDER.generate_keypair()
    assert not PROVIDER.verify(KEYS.public, HASH, PROVIDER.sign(other.private, HASH))
    assert verify_message(other.public, b"text", sign_message(other.private, b"text"))
    assert b64decode(encode_simple(bytes(64))[3:])[:2] == b"\x01\x40"


@pytest.mark.parametrize("size", [0, 63, 65])
def test_only_signatures_of_64_bytes_are_written(size: int) -> None:
    """A hash type behind it would be another encoding of the same consent."""
    with pytest.raises(KeyRefusedError) as caught:
        encode_simple(bytes(size))
    assert caught.value.reason == KeyReason.LENGTH

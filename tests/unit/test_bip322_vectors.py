"""The published vectors of BIP-340 and BIP-322 (tests/vectors/bip)."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path

import pytest
from btclib_secp256k1 import ssa

from aegis_stream.custodian import decode_simple
from aegis_stream.custodian.bip322 import is_public_key, verify_message
from aegis_stream.custodian.taproot import message_hash, to_sign_id, to_spend_id
from aegis_stream.errors import KeyReason, KeyRefusedError
from tests.support import bip340
from tests.support.bech32 import p2tr_address, script_of

FOLDER = Path(__file__).parents[1] / "vectors" / "bip"
BIP322 = json.loads((FOLDER / "bip322.json").read_text("utf-8"))
with (FOLDER / "bip340.csv").open(encoding="utf-8", newline="") as _file:
    BIP340 = list(csv.DictReader(_file))


def x_only(address: str) -> bytes:
    """Return the output key of a P2TR address."""
    script = script_of(address)
    assert script[:2] == b"\x51\x20"
    return script[2:]


@pytest.mark.parametrize("row", BIP340, ids=lambda row: f"{row['index']}-{row['comment'][:30]}")
def test_schnorr_library_meets_bip340(row: dict[str, str]) -> None:
    """Everything that custodians sign rests on it; a key that is no point must be refused, not crash."""
    public, message, signature = (bytes.fromhex(row[name]) for name in ("public key", "message", "signature"))
    expected = row["verification result"] == "TRUE"
    assert (is_public_key(public) and ssa.verify(message, public, signature)) is expected
    assert bip340.verify(message, public, signature) is expected
    if row["secret key"]:
        assert bip340.public_key(bytes.fromhex(row["secret key"])) == public
        if len(message) == 32:
            aux = bytes.fromhex(row["aux_rand"])
            assert ssa.sign(message, bytes.fromhex(row["secret key"]), aux) == signature


@pytest.mark.parametrize("row", BIP322["tx_hashes"], ids=lambda row: row["message"][:11] or "empty")
def test_virtual_transactions_have_the_published_ids(row: dict[str, str]) -> None:
    """A byte off in them and no other BIP-322 software would verify a custodian's signature."""
    message, challenge = row["message"].encode(), script_of(row["address"])
    assert message_hash(message).hex() == row["message_hash"]
    assert to_spend_id(message, challenge)[::-1].hex() == row["to_spend_tx_hash"]
    assert to_sign_id(message, challenge)[::-1].hex() == row["to_sign_tx_hash"]


@pytest.mark.parametrize("row", BIP322["simple_p2tr"], ids=lambda row: row["message"])
def test_published_p2tr_signatures_verify(row: dict[str, object]) -> None:
    """With the prefix of the final text of BIP-322 and, from older software, without."""
    message, address, texts = row["message"], row["address"], row["bip322_signatures"]
    assert isinstance(message, str)
    assert isinstance(address, str)
    assert isinstance(texts, list)
    key = x_only(address)
    assert p2tr_address(key) == address
    for text in texts:
        assert verify_message(key, message.encode(), decode_simple(text))
        assert not verify_message(key, message.encode() + b" ", decode_simple(text))


@pytest.mark.parametrize("row", BIP322["error_p2tr"], ids=lambda row: row["description"])
def test_published_p2tr_errors_are_refused(row: dict[str, str]) -> None:
    """Wrong message, wrong signer, wrong variant."""
    signature = b""
    with contextlib.suppress(KeyRefusedError):
        signature = decode_simple(row["signature"])
    assert bool(signature) is not row["signature"].startswith("ful")
    assert not verify_message(x_only(row["address"]), row["message"].encode(), signature)


@pytest.mark.parametrize(
    "row", BIP322["simple_of_other_scripts"], ids=lambda row: f"{row['type']}-{row['message'][:11]}"
)
def test_signatures_of_other_scripts_are_refused_by_shape(row: dict[str, object]) -> None:
    """A custodian's key is a P2TR key: one witness item of 64 bytes."""
    texts = row["bip322_signatures"]
    assert isinstance(texts, list)
    for text in texts:
        with pytest.raises(KeyRefusedError) as caught:
            decode_simple(text)
        assert caught.value.reason == KeyReason.LENGTH

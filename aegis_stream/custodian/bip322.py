"""BIP-322 "simple" signatures of P2TR keys: what Risk Lead and Security Lead sign with.

The public key is the x-only output key itself, untweaked; the signature is BIP-340 Schnorr under SIGHASH_DEFAULT, so it
has 64 bytes and no hash type behind it.
"""

from __future__ import annotations

import secrets

from btclib_secp256k1 import keys, ssa, xonly

from aegis_stream.custodian.provider import SigningKeypair, signed_text
from aegis_stream.custodian.taproot import signature_hash
from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.wire import b64decode, b64encode

PRIVATE_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_SIMPLE = "smp"
_ONE_ITEM_OF_64 = b"\x01\x40"  # a witness stack of one item, 64 bytes long


class BIP322Provider:
    """Custodians' signatures: 32-byte private and x-only public keys, 64-byte signatures over a 32-byte hash."""

    algorithm_name = "bip322-simple-p2tr"

    def generate_keypair(self) -> SigningKeypair:
        """Make a keypair from the operating system's randomness."""
        private = secrets.token_bytes(PRIVATE_KEY_BYTES)
        while not keys.prvkey_verify(private):  # zero or not below the group order: 1 in 2^128
            private = secrets.token_bytes(PRIVATE_KEY_BYTES)
        return SigningKeypair(private, self.public_key(private))

    def public_key(self, private_key: bytes) -> bytes:
        """Return the x-only public key, 32 bytes.  Raises KeyRefusedError as `sign` does."""
        _check_private(private_key)
        return xonly.from_prvkey(private_key)[0]

    def sign(self, private_key: bytes, message_hash: bytes) -> bytes:
        """Sign the text `aegis-stream:` and the hash in hex; 64 bytes.

        Raises KeyRefusedError: LENGTH (the key or the hash has not 32 bytes), INCONSISTENT (the key is zero or not
        below the group order).
        """
        return sign_message(private_key, signed_text(message_hash))

    def verify(self, public_key: bytes, message_hash: bytes, signature: bytes) -> bool:
        """Tell whether the signature is right.  Raises KeyRefusedError(LENGTH): the hash has not 32 bytes."""
        return verify_message(public_key, signed_text(message_hash), signature)


def sign_message(private_key: bytes, message: bytes) -> bytes:
    """Sign any message as BIP-322 says; 64 bytes.  Raises KeyRefusedError as `BIP322Provider.sign` does."""
    _check_private(private_key)
    public = xonly.from_prvkey(private_key)[0]
    return ssa.sign(signature_hash(message, public), private_key)


def verify_message(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether a signature over any message is right; what has a wrong length or is no point is not."""
    if len(signature) != SIGNATURE_BYTES or not is_public_key(public_key):
        return False
    return ssa.verify(signature_hash(message, public_key), public_key, signature)


def is_public_key(public_key: bytes) -> bool:
    """Tell whether 32 bytes are the x of a point on the curve."""
    return len(public_key) == PUBLIC_KEY_BYTES and xonly.pubkey_verify(public_key)


def encode_simple(signature: bytes) -> str:
    """Return the text that other BIP-322 software takes: `smp` and base64 of the witness stack, 91 characters.

    Raises KeyRefusedError(LENGTH): the signature has not 64 bytes.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise KeyRefusedError(KeyReason.LENGTH, f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    return _SIMPLE + b64encode(_ONE_ITEM_OF_64 + signature)


def decode_simple(text: str) -> bytes:
    """Return the 64-byte signature of a BIP-322 text, with its prefix `smp` or, as older software writes it, without.

    Raises KeyRefusedError: ENCODING (no canonical base64), LENGTH (the witness is not one item of 64 bytes: another
    kind of address, or an explicit hash type).
    """
    witness = b64decode(text.removeprefix(_SIMPLE))
    if len(witness) != len(_ONE_ITEM_OF_64) + SIGNATURE_BYTES or not witness.startswith(_ONE_ITEM_OF_64):
        raise KeyRefusedError(
            KeyReason.LENGTH,
            "the witness of a custodian's signature is one item of 64 bytes",
            remedy="sign with a P2TR key, BIP-322 simple, SIGHASH_DEFAULT",
        )
    return witness[len(_ONE_ITEM_OF_64) :]


def _check_private(private_key: bytes) -> None:
    if len(private_key) != PRIVATE_KEY_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"a custodian's private key has {PRIVATE_KEY_BYTES} bytes, this one has {len(private_key)}",
            remedy="a private key file holds one line of base64, 44 characters",
        )
    if not keys.prvkey_verify(private_key):
        raise KeyRefusedError(KeyReason.INCONSISTENT, "a custodian's private key is zero or not below the group order")

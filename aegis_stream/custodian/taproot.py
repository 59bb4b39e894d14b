"""The two virtual transactions of BIP-322 for a P2TR output, and the hash of BIP-341 that its key signs.

    to_spend = version 0 ‖ one input (32 zeros : 2^32-1, script OP_0 PUSH32 message_hash, sequence 0)
               ‖ one output (0 satoshi to the challenge) ‖ lock time 0
    to_sign  = version 0 ‖ one input (to_spend's id : 0, no script, sequence 0) ‖ one output (0 satoshi, OP_RETURN)
               ‖ lock time 0

Nothing here holds a key.  All integers are little-endian.
"""

from __future__ import annotations

import hashlib

_VERSION = bytes(4)
_LOCK_TIME = bytes(4)
_SEQUENCE = bytes(4)
_ZERO_SATOSHI = bytes(8)
_ONE = b"\x01"
_OUTPUT_0 = bytes(4)
_NO_OUTPOINT = bytes(32) + b"\xff\xff\xff\xff"
_OP_0_PUSH32 = b"\x00\x20"
_OP_1_PUSH32 = b"\x51\x20"
_OP_RETURN = b"\x6a"
_KEY_PATH = b"\x00"  # spend_type: no annex, no script path
_SIGHASH_DEFAULT = b"\x00"
_EPOCH = b"\x00"


def tagged_hash(tag: str, data: bytes) -> bytes:
    """Return BIP-340's tagged hash, 32 bytes: SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ data)."""
    prefix = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(prefix + prefix + data).digest()


def message_hash(message: bytes) -> bytes:
    """Return BIP-322's hash of a message, 32 bytes."""
    return tagged_hash("BIP0322-signed-message", message)


def p2tr_script(x_only: bytes) -> bytes:
    """Return the script of a P2TR output, 34 bytes; the key is the output key as it stands, untweaked."""
    return _OP_1_PUSH32 + x_only


def to_spend_id(message: bytes, challenge: bytes) -> bytes:
    """Return the id of to_spend, 32 bytes in the order they are hashed (explorers show them reversed)."""
    script = _OP_0_PUSH32 + message_hash(message)
    spent = _ONE + _NO_OUTPOINT + _var_bytes(script) + _SEQUENCE
    paid = _ONE + _ZERO_SATOSHI + _var_bytes(challenge)
    return _double_sha256(_VERSION + spent + paid + _LOCK_TIME)


def to_sign_id(message: bytes, challenge: bytes) -> bytes:
    """Return the id of to_sign, 32 bytes in the order they are hashed; the witness is no part of it."""
    spent = _ONE + to_spend_id(message, challenge) + _OUTPUT_0 + _var_bytes(b"") + _SEQUENCE
    return _double_sha256(_VERSION + spent + _ONE + _op_return_output() + _LOCK_TIME)


def signature_hash(message: bytes, x_only: bytes) -> bytes:
    """Return what the key signs, 32 bytes: BIP-341's hash of to_sign's only input under SIGHASH_DEFAULT."""
    challenge = p2tr_script(x_only)
    return tagged_hash(
        "TapSighash",
        _EPOCH
        + _SIGHASH_DEFAULT
        + _VERSION
        + _LOCK_TIME
        + hashlib.sha256(to_spend_id(message, challenge) + _OUTPUT_0).digest()  # outpoints
        + hashlib.sha256(_ZERO_SATOSHI).digest()  # amounts spent
        + hashlib.sha256(_var_bytes(challenge)).digest()  # scripts spent
        + hashlib.sha256(_SEQUENCE).digest()
        + hashlib.sha256(_op_return_output()).digest()
        + _KEY_PATH
        + bytes(4),  # index of the input
    )


def _op_return_output() -> bytes:
    return _ZERO_SATOSHI + _var_bytes(_OP_RETURN)


def _var_bytes(data: bytes) -> bytes:
    """Return a length of one byte and the data; every script here is shorter than 253 bytes."""
    return bytes([len(data)]) + data


def _double_sha256(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()

"""HybridSignature: Ed25519 and ML-DSA-44 over the same message, both of which must verify.

The rotation agent signs manifests with it, so forging one needs a break of both.  `check_ed25519_public` is what
enrolment demands of any Ed25519 key: OpenSSL refuses an S that is not below the group order, but loads points of
small order (under which a signature of zeroes verifies for many messages) and texts that are no point at all.

Sizes in bytes, Ed25519 first: private key 32 ‖ 32 (two seeds), public key 32 ‖ 1,312, signature 64 ‖ 2,420.
See docs/control-topic.md, "Envelopes".
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from aegis_stream.errors import KeyReason, KeyRefusedError

ED25519_PUBLIC_BYTES = 32
ED25519_SIGNATURE_BYTES = 64
MLDSA_PUBLIC_BYTES = 1312
MLDSA_SIGNATURE_BYTES = 2420
SEED_BYTES = 32

PRIVATE_KEY_BYTES = 2 * SEED_BYTES
PUBLIC_KEY_BYTES = ED25519_PUBLIC_BYTES + MLDSA_PUBLIC_BYTES
SIGNATURE_BYTES = ED25519_SIGNATURE_BYTES + MLDSA_SIGNATURE_BYTES

ALGORITHM = "ed25519+ml-dsa-44"

# RFC 8032, 5.1: the field, the curve's constant d, and the order of the group of the base point.
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER = 2**252 + 27742317777372353535851937790883648493


# The y of every point of small order: of order 1, 4 and 2, then the two of order 8, which solve d·y⁴ + 2·y² = 1.
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({1, 0, _P - 1, _Y8, _P - _Y8})


class HybridSigningKeypair(NamedTuple):
    """A keypair as bytes: private (64), public (1,344)."""

    private: bytes
    public: bytes

    def __repr__(self) -> str:
        """Show no key."""
        return "<HybridSigningKeypair>"


def check_ed25519_public(raw: bytes) -> bytes:
    """Return an Ed25519 public key of 32 bytes if it may be enrolled.

    Raises KeyRefusedError: LENGTH; ENCODING (y is not below the field's prime, or there is no such point); LOW_ORDER.
    """
    if len(raw) != ED25519_PUBLIC_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"an Ed25519 public key has {ED25519_PUBLIC_BYTES} bytes, this one has {len(raw)}",
            remedy="the private key has 32 bytes as well: look whether another kind of key was given",
        )
    y = int.from_bytes(raw, "little") & (2**255 - 1)  # the top bit is the sign of x, and both signs are points
    if y % _P in _SMALL_ORDER_Y:
        raise KeyRefusedError(KeyReason.LOW_ORDER, "an Ed25519 public key is of small order: it signs for everybody")
    # x² = (y² - 1) / (d·y² + 1); Euler's criterion tells whether there is such an x; it is 0 only where y is 1 or -1.
    x_square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if y >= _P or pow(x_square, (_P - 1) // 2, _P) != 1:
        raise KeyRefusedError(KeyReason.ENCODING, "an Ed25519 public key is no point of the curve")
    return bytes(raw)


def verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether an Ed25519 signature is right, strictly: RFC 8032 without cofactor, S below the group order."""
    if len(public_key) != ED25519_PUBLIC_BYTES or len(signature) != ED25519_SIGNATURE_BYTES:
        return False
    if int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _verify_mldsa(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def agent_key_id(public_key: bytes) -> str:
    """Return `agent-` and the first 16 hex digits of SHA-256 of an agent's public key (1,344 bytes)."""
    return "agent-" + hashlib.sha256(public_key).hexdigest()[:16]


def check_agent_public(raw: bytes) -> bytes:
    """Return a HybridSignature public key of 1,344 bytes if it may be pinned.

    Raises KeyRefusedError: LENGTH, and what `check_ed25519_public` raises for its first half.
    """
    if len(raw) != PUBLIC_KEY_BYTES:
        raise KeyRefusedError(
            KeyReason.LENGTH,
            f"an agent's public key has {PUBLIC_KEY_BYTES:,} bytes, this one has {len(raw):,}",
            remedy="take the whole line of the agent's .pub file",
        )
    check_ed25519_public(raw[:ED25519_PUBLIC_BYTES])
    return bytes(raw)


class AgentSigner:
    """The rotation agent's private key, able to sign; it cannot be copied or pickled and shows no byte of itself."""

    __slots__ = ("_ed25519", "_mldsa", "key_id", "public")

    def __init__(self, ed25519: Ed25519PrivateKey, mldsa: MLDSA44PrivateKey) -> None:
        """Hold both halves; use `from_seed`."""
        self._ed25519 = ed25519
        self._mldsa = mldsa
        self.public = ed25519.public_key().public_bytes_raw() + mldsa.public_key().public_bytes_raw()
        self.key_id = agent_key_id(self.public)

    @classmethod
    def from_seed(cls, seed: bytes) -> AgentSigner:
        """Load 64 bytes: Ed25519 seed ‖ ML-DSA-44 seed.  Raises KeyRefusedError(LENGTH)."""
        if len(seed) != PRIVATE_KEY_BYTES:
            raise KeyRefusedError(
                KeyReason.LENGTH,
                f"a hybrid signing key has {PRIVATE_KEY_BYTES} bytes, this one has {len(seed)}",
                remedy="it is two seeds of 32 bytes, Ed25519 first, as one line of base64",
            )
        return cls(
            Ed25519PrivateKey.from_private_bytes(seed[:SEED_BYTES]),
            MLDSA44PrivateKey.from_seed_bytes(seed[SEED_BYTES:]),
        )

    def sign(self, message: bytes) -> bytes:
        """Return 2,484 bytes: the Ed25519 signature ‖ the ML-DSA-44 signature (hedged, no context) of the message."""
        return self._ed25519.sign(message) + self._mldsa.sign(message)

    def export(self) -> bytes:
        """Return the 64 bytes: for provisioning, nowhere else."""
        return self._ed25519.private_bytes_raw() + self._mldsa.private_bytes_raw()

    def __repr__(self) -> str:
        """Show the id of the public key only."""
        return f"<AgentSigner {self.key_id}>"

    def __reduce__(self) -> NoReturn:
        """Refuse pickling and copying."""
        msg = "private keys are never copied"
        raise TypeError(msg)


class HybridSignature:
    """The algorithm over plain bytes."""

    algorithm_name = ALGORITHM

    @staticmethod
    def generate_keypair() -> HybridSigningKeypair:
        """Make a keypair from the operating system's randomness."""
        signer = AgentSigner(Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
        return HybridSigningKeypair(private=signer.export(), public=signer.public)

    @staticmethod
    def sign(private_key: bytes, message: bytes) -> bytes:
        """Return a signature of 2,484 bytes; raises as `AgentSigner.from_seed`."""
        return AgentSigner.from_seed(private_key).sign(message)

    @staticmethod
    def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
        """Tell whether both halves verify; a key or signature of another length is a wrong one."""
        if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        classical = verify_ed25519(public_key[:ED25519_PUBLIC_BYTES], message, signature[:ED25519_SIGNATURE_BYTES])
        quantum = _verify_mldsa(public_key[ED25519_PUBLIC_BYTES:], message, signature[ED25519_SIGNATURE_BYTES:])
        return classical and quantum

"""The second algorithm behind `SignatureProvider`: Ed25519 and ML-DSA-44, both of which must verify."""

from __future__ import annotations

from aegis_stream.custodian.provider import SigningKeypair, signed_text
from aegis_stream.signature import AgentSigner, HybridSignature


class HybridSignatureProvider:
    """Post-quantum signatures for custodians: 64-byte private, 1,344-byte public keys, 2,484-byte signatures."""

    algorithm_name = "ed25519+ml-dsa-44"

    def generate_keypair(self) -> SigningKeypair:
        """Make a keypair from the operating system's randomness."""
        private, public = HybridSignature.generate_keypair()
        return SigningKeypair(private, public)

    def sign(self, private_key: bytes, message_hash: bytes) -> bytes:
        """Sign the text `aegis-stream:` and the hash in hex; 2,484 bytes.

        Raises KeyRefusedError(LENGTH): the key has not 64 bytes or the hash not 32.
        """
        return AgentSigner.from_seed(private_key).sign(signed_text(message_hash))

    def verify(self, public_key: bytes, message_hash: bytes, signature: bytes) -> bool:
        """Tell whether both halves are right.  Raises KeyRefusedError(LENGTH): the hash has not 32 bytes."""
        return HybridSignature.verify(public_key, signed_text(message_hash), signature)

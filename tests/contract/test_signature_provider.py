"""One contract for every SignatureProvider."""

from __future__ import annotations

import hashlib

import pytest

from aegis_stream.custodian import BIP322Provider, HybridSignatureProvider, SignatureProvider
from aegis_stream.errors import AegisError, KeyRefusedError

PROVIDERS: list[SignatureProvider] = [BIP322Provider(), HybridSignatureProvider()]
SIZES = {"bip322-simple-p2tr": (32, 32, 64), "ed25519+ml-dsa-44": (64, 1344, 2484)}
HASH = hashlib.sha256(b"what both sign").digest()

pytestmark = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.algorithm_name)


def test_provider_satisfies_the_protocol(provider: SignatureProvider) -> None:
    """Callers take the protocol, so its members are all there is."""
    assert isinstance(provider, SignatureProvider)
    keys = provider.generate_keypair()
    signature = provider.sign(keys.private, HASH)
    assert (len(keys.private), len(keys.public), len(signature)) == SIZES[provider.algorithm_name]


def test_signature_verifies_for_its_key_and_hash_only(provider: SignatureProvider) -> None:
    """An approval of one command must not count for another, nor for another person."""
    keys, other = provider.generate_keypair(), provider.generate_keypair()
    signature = provider.sign(keys.private, HASH)
    assert provider.verify(keys.public, HASH, signature)
    assert not provider.verify(other.public, HASH, signature)
    assert not provider.verify(keys.public, hashlib.sha256(HASH).digest(), signature)


def test_each_end_of_a_signature_counts(provider: SignatureProvider) -> None:
    """A hybrid signature of which one half is right is wrong."""
    keys = provider.generate_keypair()
    signature = provider.sign(keys.private, HASH)
    for at in (0, len(signature) - 1):
        changed = bytearray(signature)
        changed[at] ^= 1
        assert not provider.verify(keys.public, HASH, bytes(changed))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 5000])
def test_wrong_sizes_are_refused(provider: SignatureProvider, size: int) -> None:
    """Malformed signatures and keys are wrong ones; a malformed hash or private key is the caller's error."""
    keys = provider.generate_keypair()
    signature = provider.sign(keys.private, HASH)
    assert not provider.verify(keys.public, HASH, bytes(size))
    assert not provider.verify(bytes(size), HASH, signature)
    with pytest.raises(KeyRefusedError):
        provider.sign(keys.private, bytes(size))
    with pytest.raises(KeyRefusedError):
        provider.sign(bytes(size), HASH)
    with pytest.raises(AegisError):
        provider.verify(keys.public, bytes(size), signature)


def test_private_key_shows_nowhere(provider: SignatureProvider) -> None:
    """A keypair that is printed or logged gives nothing away."""
    keys = provider.generate_keypair()
    assert keys.private.hex() not in repr(keys)
    assert repr(keys.private) not in repr(keys)

"""The HSM provider on SoftHSM2, and on kryoptic where it was built: keys, threads, another RFC 5649."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek import check_kek, hsm_key, pkcs11
from aegis_stream.kek.secret import Secret
from tests.support.hsm_tokens import import_key, provider, wrapping_key

if TYPE_CHECKING:
    from aegis_stream.kek.hsm_key import HsmWrappingKey
    from tests.support.softhsm import HsmToken

pytestmark = pytest.mark.hsm

THREADS = 8


def test_mechanism_is_found_in_the_tokens_list(wrapping: HsmWrappingKey, hsm_token: HsmToken) -> None:
    """SoftHSM2 means RFC 5649 by 0x210A and has no 0x210B; with the standard's followers it is the other way round."""
    expected = pkcs11.AES_KEY_WRAP_PAD if "softhsm" in hsm_token.library else pkcs11.AES_KEY_WRAP_KWP
    assert wrapping.mechanism() == expected


def test_eight_threads_share_the_pool(
    wrapping: HsmWrappingKey, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Initialized the usual way, python-pkcs11 crashes the process here."""
    opened: list[pkcs11.Access] = []
    open_access = pkcs11.open_access

    def counting(*arguments: object) -> object:
        access = open_access(*arguments)
        opened.append(access)
        return access

    monkeypatch.setattr(pkcs11, "open_access", counting)
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda _: wrapping.unwrap(wrapped).reveal(), range(400)))
    assert all(result == kek_pair.private for result in results)
    assert 1 <= len(opened) <= hsm_key.POOL_SIZE


def test_other_implementation_of_rfc_5649_agrees(hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """A wrapped key must open under the same AES key on any other HSM, or with `cryptography` in an emergency."""
    aes = os.urandom(32)
    import_key(hsm_token, aes)
    with wrapping_key(hsm_token) as wrapping:
        wrapped = wrapping.wrap(Secret(kek_pair.private))
        assert len(wrapped) == 2440
        assert aes_key_unwrap_with_padding(aes, wrapped) == kek_pair.private
        assert wrapping.unwrap(aes_key_wrap_with_padding(aes, kek_pair.private)).reveal() == kek_pair.private
        for length in (1, 7, 8, 9, 33):  # padding is where implementations differ
            text = os.urandom(length)
            assert wrapping.unwrap(aes_key_wrap_with_padding(aes, text)).reveal() == text
    check_kek(provider(hsm_token, wrapped, kek_pair))


def test_wrapping_key_cannot_leave_the_token(wrapping: HsmWrappingKey) -> None:
    """It is what makes the wrapped private key worthless elsewhere."""
    from pkcs11 import Attribute  # noqa: PLC0415 - beside our own module of the name

    def attributes(access: pkcs11.Access) -> dict[object, object]:
        names = (Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.WRAP, Attribute.UNWRAP, Attribute.DECRYPT)
        return {name: access.key[name] for name in names}

    found = wrapping._run(attributes)
    assert [found[name] for name in found] == [False, True, True, True, False]
    with pytest.raises(KEKError) as caught:
        wrapping.make()
    assert caught.value.reason == KEKReason.CONFLICT


def test_two_keys_share_one_token(wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """During a rotation both wrapping keys are in one token; closing one must not log the other out."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    with wrapping_key(hsm_token, "next") as other:
        other.make()
        with pytest.raises(KEKError) as caught:
            other.unwrap(wrapped)
        assert caught.value.reason == KEKReason.BAD_BLOB
    assert wrapping.unwrap(wrapped).reveal() == kek_pair.private


@pytest.mark.usefixtures("wrapping")
def test_missing_or_unfit_key_is_said(hsm_token: HsmToken) -> None:
    """A label that is misspelt, taken twice, or of a key that is too short."""
    with pytest.raises(KEKError) as caught:
        wrapping_key(hsm_token, "misspelt").unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.WRONG_KEY
    import_key(hsm_token, os.urandom(32))
    with pytest.raises(KEKError) as caught:
        wrapping_key(hsm_token).unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.CONFLICT
    import_key(hsm_token, os.urandom(16), "short")
    with pytest.raises(KEKError) as caught:
        wrapping_key(hsm_token, "short").unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.WRONG_KEY


def test_keypair_of_another_provisioning_is_refused(
    wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair
) -> None:
    """The HSM opens anything that it wrapped; whether it belongs to the public key is for us to see."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    with pytest.raises(KEKError) as caught:
        provider(hsm_token, wrapped, HybridKEM.generate_keypair())
    assert caught.value.reason == KEKReason.MISMATCH

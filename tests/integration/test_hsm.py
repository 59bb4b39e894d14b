"""The HSM provider on SoftHSM2: threads, losses, PINs, and another implementation of RFC 5649."""

from __future__ import annotations

import itertools
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap_with_padding, aes_key_wrap_with_padding

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek import HSMKEKProvider, check_kek, hsm_key, pkcs11
from aegis_stream.kek.cryptoki import Cryptoki
from aegis_stream.kek.hsm_key import HsmWrappingKey
from aegis_stream.kek.hsm_library import HsmLibrary
from aegis_stream.kek.secret import Secret
from tests.support.kryoptic import BUILT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.softhsm import HsmToken, SoftHsm

pytestmark = pytest.mark.hsm

LABEL = "aegis-kek-v1"
C_CLOSE_ALL_SESSIONS = 14
THREADS = 8


_numbers = itertools.count(1)


@pytest.fixture(params=["softhsm", *(["kryoptic"] if BUILT else [])])
def token(request: pytest.FixtureRequest) -> HsmToken:
    """Return a fresh token, of each library that is there: SoftHSM2 always, kryoptic after `make kryoptic`."""
    made: HsmToken = request.getfixturevalue(request.param).token(f"token {next(_numbers)}")
    return made


def wrapping_key(token: HsmToken, label: str = LABEL, pin: str | None = None) -> HsmWrappingKey:
    """Return a wrapping key of a token."""
    return HsmWrappingKey(
        pkcs11_lib=token.library, token_label=token.label, pin=Secret(pin or token.pin), key_label=label
    )


@pytest.fixture
def key(token: HsmToken) -> Iterator[HsmWrappingKey]:
    """Yield a wrapping key that was made in the token."""
    with wrapping_key(token) as made:
        made.make()
        yield made


def provider(token: HsmToken, wrapped: bytes, pair: HybridKeypair, pin: str | None = None) -> HSMKEKProvider:
    """Load the provider."""
    return HSMKEKProvider(
        pkcs11_lib=token.library,
        token_label=token.label,
        pin=pin or token.pin,
        wrapping_key_label=LABEL,
        wrapped_private_key=wrapped,
        public_key_bytes=pair.public,
    )


def count_logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count how often a PIN is really sent to a token."""
    sent: list[str] = []
    login = pkcs11.login

    def counting(token: object, pin: Secret[str]) -> object:
        sent.append(pin.reveal())
        return login(token, pin)

    monkeypatch.setattr(pkcs11, "login", counting)
    return sent


def library_of(token: HsmToken) -> HsmLibrary:
    """Return the library of this process."""
    library = HsmLibrary.open(token.library)
    assert isinstance(library, HsmLibrary)
    return library


def test_mechanism_is_found_in_the_tokens_list(key: HsmWrappingKey, token: HsmToken) -> None:
    """SoftHSM2 means RFC 5649 by 0x210A and has no 0x210B; with the standard's followers it is the other way round."""
    expected = pkcs11.AES_KEY_WRAP_PAD if "softhsm" in token.library else pkcs11.AES_KEY_WRAP_KWP
    assert key.mechanism() == expected


def test_eight_threads_share_the_pool(
    key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Initialized the usual way, python-pkcs11 crashes the process here."""
    opened: list[pkcs11.Access] = []
    open_access = pkcs11.open_access

    def counting(*arguments: object) -> object:
        access = open_access(*arguments)
        opened.append(access)
        return access

    monkeypatch.setattr(pkcs11, "open_access", counting)
    wrapped = key.wrap(Secret(kek_pair.private))
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda _: key.unwrap(wrapped).reveal(), range(400)))
    assert all(result == kek_pair.private for result in results)
    assert 1 <= len(opened) <= hsm_key.POOL_SIZE
    del token


def test_other_implementation_of_rfc_5649_agrees(token: HsmToken, kek_pair: HybridKeypair) -> None:
    """A wrapped key must open under the same AES key on any other HSM, or with `cryptography` in an emergency."""
    aes = os.urandom(32)
    import_key(token, aes)
    with wrapping_key(token) as key:
        wrapped = key.wrap(Secret(kek_pair.private))
        assert len(wrapped) == 2440
        assert aes_key_unwrap_with_padding(aes, wrapped) == kek_pair.private
        assert key.unwrap(aes_key_wrap_with_padding(aes, kek_pair.private)).reveal() == kek_pair.private
        for length in (1, 7, 8, 9, 33):  # padding is where implementations differ
            text = os.urandom(length)
            assert key.unwrap(aes_key_wrap_with_padding(aes, text)).reveal() == text
    check_kek(provider(token, wrapped, kek_pair))


def test_wrapping_key_cannot_leave_the_token(key: HsmWrappingKey, token: HsmToken) -> None:
    """It is what makes the wrapped private key worthless elsewhere."""
    from pkcs11 import Attribute  # noqa: PLC0415 - beside our own module of the name

    def attributes(access: pkcs11.Access) -> dict[object, object]:
        names = (Attribute.EXTRACTABLE, Attribute.SENSITIVE, Attribute.WRAP, Attribute.UNWRAP, Attribute.DECRYPT)
        return {name: access.key[name] for name in names}

    found = key._run(attributes)
    assert [found[name] for name in found] == [False, True, True, True, False]
    with pytest.raises(KEKError) as caught:
        key.make()
    assert caught.value.reason == KEKReason.CONFLICT
    del token


def lose_sessions(token: HsmToken) -> None:
    """End all sessions of the token behind our back, as a device does that was reset; the login is gone as well."""
    slot = pkcs11.find_token(library_of(token).vendor, token.label).slot.slot_id
    assert Cryptoki(token.library).call(C_CLOSE_ALL_SESSIONS, slot) == 0


def lose_library(token: HsmToken) -> None:
    """Finalize the library behind our back, as other code of the process may."""
    assert Cryptoki(token.library).finalize() == 0


@pytest.mark.parametrize("loss", [lose_sessions, lose_library])
def test_pool_comes_back_after_a_loss(
    key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair, loss: Callable[[HsmToken], None]
) -> None:
    """Devices restart; nobody should have to restart us."""
    wrapped = key.wrap(Secret(kek_pair.private))
    for _ in range(2):
        loss(token)
        assert key.unwrap(wrapped).reveal() == kek_pair.private


def test_threads_survive_a_loss(key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair) -> None:
    """One of them begins anew, the others wait for it and go on."""
    wrapped = key.wrap(Secret(kek_pair.private))

    def work(number: int) -> bool:
        if number in {50, 120}:
            lose_sessions(token)
        return key.unwrap(wrapped).reveal() == kek_pair.private

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(200)))


def test_token_that_is_away_is_waited_for_a_little_and_then_said(
    kek_pair: HybridKeypair, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was pulled out comes back or does not: the error says that waiting may help."""
    monkeypatch.setattr(hsm_key, "_DELAYS_S", (0.01, 0.01, 0.01))
    token = softhsm.token(f"token {next(_numbers)}")
    key = wrapping_key(token)
    key.make()
    wrapped = key.wrap(Secret(kek_pair.private))
    away = softhsm.tokens.parent / "away"
    shutil.move(softhsm.tokens, away)
    softhsm.tokens.mkdir()
    library_of(token).recover(library_of(token).generation)
    with pytest.raises(KEKUnavailableError) as caught:
        key.unwrap(wrapped)
    assert caught.value.reason == KEKReason.UNAVAILABLE
    assert "AEGIS_HSM_TOKEN_LABEL" in caught.value.remedy
    softhsm.tokens.rmdir()
    shutil.move(away, softhsm.tokens)
    assert key.unwrap(wrapped).reveal() == kek_pair.private
    key.close()


def test_loaded_provider_needs_no_hsm(key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair) -> None:
    """The HSM may be away for hours afterwards, and the token is not left logged in."""
    wrapped = key.wrap(Secret(kek_pair.private))
    key.close()
    loaded = provider(token, wrapped, kek_pair)
    assert library_of(token)._logins == {}
    lose_library(token)
    check_kek(loaded)


def test_wrong_pin_is_never_tried_twice(
    key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tries lock most tokens, and a pool of eight threads would make them in a moment."""
    wrapped = key.wrap(Secret(kek_pair.private))
    key.close()
    sent = count_logins(monkeypatch)
    wrong = wrapping_key(token, pin="1357-wrong")

    def attempt(_: int) -> str:
        with pytest.raises(KEKError) as caught:
            wrong.unwrap(wrapped)
        assert not caught.value.retryable
        assert "1357" not in f"{caught.value!r}{caught.value.remedy}"
        return caught.value.reason

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(attempt, range(THREADS * 3))) == {KEKReason.BAD_CREDENTIALS}
    with pytest.raises(KEKError):
        provider(token, wrapped, kek_pair, pin="1357-wrong")
    assert sent == ["1357-wrong"]
    check_kek(provider(token, wrapped, kek_pair))
    assert sent == ["1357-wrong", token.pin]


def test_wrong_pin_does_not_ride_on_anothers_login(
    key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PKCS#11 logs in a process, not a session: a second provider must still prove its PIN, and no try is spent."""
    wrapped = key.wrap(Secret(kek_pair.private))
    sent = count_logins(monkeypatch)
    with pytest.raises(KEKError) as caught:
        wrapping_key(token, pin="1357-wrong").unwrap(wrapped)
    assert caught.value.reason == KEKReason.BAD_CREDENTIALS
    assert sent == []
    assert key.unwrap(wrapped).reveal() == kek_pair.private


def test_token_that_other_code_has_logged_in_is_used(token: HsmToken, kek_pair: HybridKeypair) -> None:
    """PKCS#11 knows one login a process; a host application may have made it."""
    library = library_of(token)
    library.recover(library.generation)
    with library.use():
        elsewhere = pkcs11.find_token(library.vendor, token.label).open(user_pin=token.pin)
    with wrapping_key(token) as key:
        key.make()
        assert key.unwrap(key.wrap(Secret(kek_pair.private))).reveal() == kek_pair.private
    library.recover(library.generation)
    del elsewhere


def test_device_in_trouble_is_told_from_a_damaged_blob(
    key: HsmWrappingKey, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the self-test fails too, waiting may help, and the blob is not blamed."""
    monkeypatch.setattr(hsm_key, "_DELAYS_S", (0.01,))
    monkeypatch.setattr(pkcs11, "works", lambda _: False)
    wrapped = key.wrap(Secret(kek_pair.private))
    with pytest.raises(KEKUnavailableError) as caught:
        key.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    assert caught.value.reason == KEKReason.UNAVAILABLE


def test_two_keys_share_one_token(key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair) -> None:
    """During a rotation both wrapping keys are in one token; closing one must not log the other out."""
    wrapped = key.wrap(Secret(kek_pair.private))
    with wrapping_key(token, "next") as other:
        other.make()
        with pytest.raises(KEKError) as caught:
            other.unwrap(wrapped)
        assert caught.value.reason == KEKReason.BAD_BLOB
    assert key.unwrap(wrapped).reveal() == kek_pair.private


def test_damaged_blob_is_told_from_a_device_in_trouble(key: HsmWrappingKey, kek_pair: HybridKeypair) -> None:
    """SoftHSM2 says GeneralError of it, kryoptic DeviceError: a self-test decides."""
    wrapped = key.wrap(Secret(kek_pair.private))
    for damaged in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), os.urandom(2440), wrapped[:16], b"", wrapped + bytes(8)):
        with pytest.raises(KEKError) as caught:
            key.unwrap(damaged)
        assert caught.value.reason == KEKReason.BAD_BLOB


def test_missing_or_unfit_key_is_said(token: HsmToken, key: HsmWrappingKey) -> None:
    """A label that is misspelt, taken twice, or of a key that is too short."""
    with pytest.raises(KEKError) as caught:
        wrapping_key(token, "misspelt").unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.WRONG_KEY
    import_key(token, os.urandom(32))
    with pytest.raises(KEKError) as caught:
        wrapping_key(token).unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.CONFLICT
    import_key(token, os.urandom(16), "short")
    with pytest.raises(KEKError) as caught:
        wrapping_key(token, "short").unwrap(bytes(2440))
    assert caught.value.reason == KEKReason.WRONG_KEY
    del key


def test_keypair_of_another_provisioning_is_refused(
    key: HsmWrappingKey, token: HsmToken, kek_pair: HybridKeypair
) -> None:
    """The HSM opens anything that it wrapped; whether it belongs to the public key is for us to see."""
    wrapped = key.wrap(Secret(kek_pair.private))
    with pytest.raises(KEKError) as caught:
        provider(token, wrapped, HybridKEM.generate_keypair())
    assert caught.value.reason == KEKReason.MISMATCH


def import_key(token: HsmToken, value: bytes, label: str = LABEL) -> None:
    """Put an AES key with a known value into the token."""
    from pkcs11 import Attribute, KeyType, ObjectClass  # noqa: PLC0415 - beside our own module of the name

    library_of(token).recover(library_of(token).generation)  # sees the token that was just made
    with pkcs11.find_token(library_of(token).vendor, token.label).open(rw=True, user_pin=token.pin) as session:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: value,
                Attribute.LABEL: label,
                Attribute.TOKEN: True,
                Attribute.WRAP: True,
                Attribute.UNWRAP: True,
            }
        )

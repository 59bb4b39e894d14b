"""The HSM provider when sessions, tokens and libraries are lost, blobs damaged and PINs wrong."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import KEKError, KEKReason, KEKUnavailableError
from aegis_stream.hybrid import HybridKEM
from aegis_stream.kek import check_kek, hsm_key, pkcs11
from aegis_stream.kek.cryptoki import Cryptoki
from aegis_stream.kek.secret import Secret
from tests.support.hsm_tokens import library_of, provider, wrapping_key
from tests.support.leaks import told_by, traces_of_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair
    from aegis_stream.kek.hsm_key import HsmWrappingKey
    from tests.support.softhsm import HsmToken, SoftHsm

pytestmark = pytest.mark.hsm

THREADS = 8
C_CLOSE_ALL_SESSIONS = 14


def count_logins(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count how often a PIN is really sent to a token."""
    sent: list[str] = []
    login = pkcs11.login

    def counting(token: object, pin: Secret[str]) -> object:
        sent.append(pin.reveal())
        return login(token, pin)

    monkeypatch.setattr(pkcs11, "login", counting)
    return sent


def lose_sessions(hsm_token: HsmToken) -> None:
    """End all sessions of the token behind our back, as a device does that was reset; the login is gone as well."""
    slot = pkcs11.find_token(library_of(hsm_token).vendor, hsm_token.label).slot.slot_id
    assert Cryptoki(hsm_token.library).call(C_CLOSE_ALL_SESSIONS, slot) == 0


def lose_library(hsm_token: HsmToken) -> None:
    """Finalize the library behind our back, as other code of the process may."""
    assert Cryptoki(hsm_token.library).finalize() == 0


@pytest.mark.parametrize("loss", [lose_sessions, lose_library])
def test_pool_comes_back_after_a_loss(
    wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair, loss: Callable[[HsmToken], None]
) -> None:
    """Devices restart; nobody should have to restart us."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    for _ in range(2):
        loss(hsm_token)
        assert wrapping.unwrap(wrapped).reveal() == kek_pair.private


def test_threads_survive_a_loss(wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """One of them begins anew, the others wait for it and go on."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))

    def work(number: int) -> bool:
        if number in {50, 120}:
            lose_sessions(hsm_token)
        return wrapping.unwrap(wrapped).reveal() == kek_pair.private

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, range(200)))


def test_token_that_is_away_is_waited_for_a_little_and_then_said(
    kek_pair: HybridKeypair, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that was pulled out comes back or does not: the error says that waiting may help."""
    monkeypatch.setattr(hsm_key, "_DELAYS_S", (0.01, 0.01, 0.01))
    hsm_token = softhsm.token("unplugged")
    wrapping = wrapping_key(hsm_token)
    wrapping.make()
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    away = softhsm.tokens.parent / "away"
    shutil.move(softhsm.tokens, away)
    softhsm.tokens.mkdir()
    library_of(hsm_token).recover(library_of(hsm_token).generation)
    with pytest.raises(KEKUnavailableError) as caught:
        wrapping.unwrap(wrapped)
    assert caught.value.reason == KEKReason.UNAVAILABLE
    assert "AEGIS_HSM_TOKEN_LABEL" in caught.value.remedy
    softhsm.tokens.rmdir()
    shutil.move(away, softhsm.tokens)
    assert wrapping.unwrap(wrapped).reveal() == kek_pair.private
    wrapping.close()


def test_loaded_provider_needs_no_hsm(wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """The HSM may be away for hours afterwards, and the token is not left logged in."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    wrapping.close()
    loaded = provider(hsm_token, wrapped, kek_pair)
    assert library_of(hsm_token)._logins == {}
    lose_library(hsm_token)
    check_kek(loaded)


def test_wrong_pin_is_never_tried_twice(
    wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tries lock most tokens, and a pool of eight threads would make them in a moment."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    wrapping.close()
    sent = count_logins(monkeypatch)
    wrong = wrapping_key(hsm_token, pin="1357-wrong")

    def attempt(_: int) -> str:
        with pytest.raises(KEKError) as caught:
            wrong.unwrap(wrapped)
        assert not caught.value.retryable
        assert "1357" not in f"{caught.value!r}{caught.value.remedy}"
        return caught.value.reason

    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(attempt, range(THREADS * 3))) == {KEKReason.BAD_CREDENTIALS}
    with pytest.raises(KEKError):
        provider(hsm_token, wrapped, kek_pair, pin="1357-wrong")
    assert sent == ["1357-wrong"]
    check_kek(provider(hsm_token, wrapped, kek_pair))
    assert sent == ["1357-wrong", hsm_token.pin]


def test_second_name_of_a_library_is_the_same_library(
    wrapping: HsmWrappingKey,
    hsm_token: HsmToken,
    kek_pair: HybridKeypair,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The two KEKs of a rotation may name it differently: a refused PIN is not tried again, no session is lost."""
    link = tmp_path / "vendor.so"
    link.symlink_to(hsm_token.library)
    again = hsm_token._replace(library=str(link))
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    generation = library_of(hsm_token).generation
    check_kek(provider(again, wrapped, kek_pair))
    assert wrapping.unwrap(wrapped).reveal() == kek_pair.private
    assert library_of(hsm_token).generation == generation
    wrapping.close()
    sent = count_logins(monkeypatch)
    for token in (hsm_token, again):
        with pytest.raises(KEKError):
            provider(token, wrapped, kek_pair, pin="1357-wrong")
    assert sent == ["1357-wrong"]


def test_no_failure_shows_the_pin(wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """Whatever is wrong, the frames of its error, and of those it is chained to, hold no PIN and no key."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    wrapping.close()
    damaged = wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    wrong: list[tuple[HsmToken, bytes, HybridKeypair, str | None]] = [
        (hsm_token, wrapped, kek_pair, "1357-wrong"),
        (hsm_token, damaged, kek_pair, None),
        (hsm_token, wrapped, HybridKEM.generate_keypair(), None),
        (hsm_token._replace(library=__file__), wrapped, kek_pair, None),
    ]
    for arguments in wrong:
        with pytest.raises(KEKError) as caught:
            provider(*arguments)
        told = told_by(caught.value)
        assert caught.value.__context__ is None
        assert hsm_token.pin not in told
        assert "1357" not in told
        assert traces_of_key(kek_pair.private, told) == []


def test_wrong_pin_does_not_ride_on_anothers_login(
    wrapping: HsmWrappingKey, hsm_token: HsmToken, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PKCS#11 logs in a process, not a session: a second provider must still prove its PIN, and no try is spent."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    sent = count_logins(monkeypatch)
    with pytest.raises(KEKError) as caught:
        wrapping_key(hsm_token, pin="1357-wrong").unwrap(wrapped)
    assert caught.value.reason == KEKReason.BAD_CREDENTIALS
    assert sent == []
    assert wrapping.unwrap(wrapped).reveal() == kek_pair.private


def test_token_that_other_code_has_logged_in_is_used(hsm_token: HsmToken, kek_pair: HybridKeypair) -> None:
    """PKCS#11 knows one login a process; a host application may have made it."""
    library = library_of(hsm_token)
    library.recover(library.generation)
    with library.use():
        elsewhere = pkcs11.find_token(library.vendor, hsm_token.label).open(user_pin=hsm_token.pin)
    with wrapping_key(hsm_token) as wrapping:
        wrapping.make()
        assert wrapping.unwrap(wrapping.wrap(Secret(kek_pair.private))).reveal() == kek_pair.private
    library.recover(library.generation)
    del elsewhere


def test_device_in_trouble_is_told_from_a_damaged_blob(
    wrapping: HsmWrappingKey, kek_pair: HybridKeypair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the self-test fails too, waiting may help, and the blob is not blamed."""
    monkeypatch.setattr(hsm_key, "_DELAYS_S", (0.01,))
    monkeypatch.setattr(pkcs11, "works", lambda _: False)
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    with pytest.raises(KEKUnavailableError) as caught:
        wrapping.unwrap(wrapped[:-1] + bytes([wrapped[-1] ^ 1]))
    assert caught.value.reason == KEKReason.UNAVAILABLE


def test_damaged_blob_is_told_from_a_device_in_trouble(wrapping: HsmWrappingKey, kek_pair: HybridKeypair) -> None:
    """SoftHSM2 says GeneralError of it, kryoptic DeviceError: a self-test decides."""
    wrapped = wrapping.wrap(Secret(kek_pair.private))
    for damaged in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), os.urandom(2440), wrapped[:16], b"", wrapped + bytes(8)):
        with pytest.raises(KEKError) as caught:
            wrapping.unwrap(damaged)
        assert caught.value.reason == KEKReason.BAD_BLOB

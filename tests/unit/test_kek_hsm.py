"""What is decided about an HSM without asking one."""

from __future__ import annotations

from typing import Any

import pkcs11.exceptions
import pytest

from aegis_stream.errors import AegisError, ConfigurationError, KEKError, KEKReason, KEKUnavailableError
from aegis_stream.hybrid import HybridKEM
from aegis_stream.kek import HSMKEKProvider, get_kek_provider, hsm_errors
from aegis_stream.kek.hsm import read_number
from aegis_stream.kek.hsm_errors import Failure, Kind
from aegis_stream.kek.hsm_key import choose_mechanism
from aegis_stream.kek.pkcs11 import TokenState
from aegis_stream.kek.variables import Variables
from aegis_stream.wire import b64encode
from tests.support.leaks import told_by

SOFTHSM = "SoftHSM project"
PUBLIC = HybridKEM.generate_keypair().public
KWP, PAD, VENDOR = 0x210B, 0x210A, 0x8000_216F


def token(*mechanisms: int, manufacturer: str = "any", final_try: bool = False, locked: bool = False) -> TokenState:
    """Return what a token says of itself."""
    return TokenState("label", "1", manufacturer, frozenset(mechanisms), final_try, locked)


@pytest.mark.parametrize(
    ("state", "wanted", "chosen"),
    [
        (token(KWP), None, KWP),
        (token(KWP, PAD), None, KWP),
        (token(KWP, PAD, manufacturer=SOFTHSM), None, KWP),
        (token(PAD, manufacturer=SOFTHSM), None, PAD),
        (token(PAD), None, None),
        (token(), None, None),
        (token(PAD), PAD, PAD),
        (token(VENDOR), VENDOR, VENDOR),
        (token(KWP), VENDOR, None),
    ],
)
def test_mechanism_is_the_standard_one_or_what_was_asked_for(
    state: TokenState, wanted: int | None, chosen: int | None
) -> None:
    """0x210A is RFC 5649 on SoftHSM and another padding elsewhere: a wrong guess makes a key nobody can unwrap."""
    result = choose_mechanism(state, wanted)
    if chosen is None:
        assert isinstance(result, Failure)
        assert (result.kind, result.reason) == (Kind.FINAL, KEKReason.UNSUPPORTED)
        assert "AEGIS_HSM_MECHANISM" in result.remedy
    else:
        assert result == chosen


def test_last_try_of_a_pin_is_not_spent() -> None:
    """A locked token needs the security officer, or is lost."""
    assert token(final_try=True).unfit_for_login() is hsm_errors.PIN_LAST_TRY
    assert token(locked=True, final_try=True).unfit_for_login() is hsm_errors.PIN_UNUSABLE
    assert token().unfit_for_login() is None


VENDOR_ERRORS = sorted(
    name
    for name, kind in vars(pkcs11.exceptions).items()
    if isinstance(kind, type) and issubclass(kind, pkcs11.exceptions.PKCS11Error)
)


@pytest.mark.parametrize("name", VENDOR_ERRORS)
def test_every_vendor_error_says_what_to_do(name: str) -> None:
    """All classes of python-pkcs11, also those that only a device in trouble raises."""
    failure = hsm_errors.explain(name)
    error = failure.error()
    assert isinstance(error, KEKUnavailableError) == (failure.kind is not Kind.FINAL)
    assert error.remedy


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("PinIncorrect", Kind.FINAL, KEKReason.BAD_CREDENTIALS),
        ("PinLocked", Kind.FINAL, KEKReason.BAD_CREDENTIALS),
        ("NoSuchKey", Kind.FINAL, KEKReason.WRONG_KEY),
        ("WrappedKeyInvalid", Kind.FINAL, KEKReason.BAD_BLOB),
        ("MechanismInvalid", Kind.FINAL, KEKReason.UNSUPPORTED),
        ("SessionHandleInvalid", Kind.LOST, KEKReason.UNAVAILABLE),
        ("UserNotLoggedIn", Kind.LOST, KEKReason.UNAVAILABLE),
        ("TokenNotPresent", Kind.LOST, KEKReason.UNAVAILABLE),
        ("DeviceRemoved", Kind.LOST, KEKReason.UNAVAILABLE),
        ("GeneralError", Kind.UNCLEAR, KEKReason.UNAVAILABLE),
        ("SomethingNew", Kind.LOST, KEKReason.UNAVAILABLE),
    ],
)
def test_vendor_errors_are_told_apart(name: str, kind: Kind, reason: KEKReason) -> None:
    """A lost session is opened again; a wrong PIN never is."""
    failure = hsm_errors.explain(name)
    assert (failure.kind, failure.reason) == (kind, reason)


@pytest.mark.parametrize(("text", "number"), [("4", 4), ("0x210B", KWP), (" 0x8000216F ", VENDOR)])
def test_numbers_may_be_hexadecimal(text: str, number: int) -> None:
    """Mechanisms are written so in every manual."""
    assert read_number(Variables(environ={"AEGIS_HSM_MECHANISM": text}), "HSM_MECHANISM") == number


@pytest.mark.parametrize("text", ["0", "-1", "four", "0x", "4.5"])
def test_malformed_number_is_refused(text: str) -> None:
    """It must not be taken for the default."""
    with pytest.raises(ConfigurationError, match="AEGIS_HSM_POOL_SIZE"):
        read_number(Variables(environ={"AEGIS_HSM_POOL_SIZE": text}), "HSM_POOL_SIZE")


@pytest.mark.parametrize("library", ["/nowhere/lib.so", "not-a-library", __file__])
def test_library_that_cannot_be_loaded_is_named_as_such(library: str) -> None:
    """No token is asked, and no PIN is spent."""
    with pytest.raises(KEKError) as caught:
        HSMKEKProvider(
            pkcs11_lib=library,
            token_label="x",
            pin="2468-secret",
            wrapping_key_label="x",
            wrapped_private_key=bytes(2440),
            public_key_bytes=PUBLIC,
        )
    assert caught.value.reason == KEKReason.INCOMPLETE
    assert "AEGIS_HSM_PKCS11_LIB" in caught.value.remedy


def test_blob_of_another_length_is_refused_before_anything_is_asked() -> None:
    """RFC 5649 makes 2,440 bytes of 2,432, always."""
    for length in (0, 2432, 2439, 2441, 100_000):
        with pytest.raises(AegisError) as caught:
            get_kek_provider(
                environ={
                    "AEGIS_HSM_PKCS11_LIB": "/nowhere/lib.so",
                    "AEGIS_HSM_TOKEN_LABEL": "x",
                    "AEGIS_HSM_PIN": "x",
                    "AEGIS_HSM_WRAPPING_KEY_LABEL": "x",
                    "AEGIS_HSM_WRAPPED_PRIVATE_KEY": b64encode(bytes(length)) or "====",
                    "AEGIS_MASTER_KEK_PUBLIC": b64encode(PUBLIC),
                }
            )
        assert caught.value.reason in {KEKReason.BAD_BLOB, "encoding"}


def test_pin_is_silent() -> None:
    """It is on every frame between the variable and the token."""
    assert "2468" not in repr(unloaded()) + repr(vars(unloaded()._key_of_token))


def unloaded(**changes: Any) -> HSMKEKProvider:  # noqa: ANN401 - any argument of the provider
    """Return a provider that has asked nobody yet."""
    arguments = {
        "pkcs11_lib": "/nowhere/lib.so",
        "token_label": "x",
        "pin": "2468-secret",
        "wrapping_key_label": "x",
        "wrapped_private_key": bytes(2440),
        "public_key_bytes": PUBLIC,
        "defer": True,
    }
    return HSMKEKProvider(**arguments | changes)


@pytest.mark.parametrize(
    "mistake",
    [{"wrapped_private_key": b"x"}, {"public_key_bytes": b"x"}, {"pool_size": 0}, {"pool_size": -1}, {"defer": False}],
    ids=str,
)
def test_mistake_beside_the_pin_does_not_show_it(mistake: dict[str, object]) -> None:
    """Crash reports hold the locals of every frame, also of the one that refuses another argument."""
    with pytest.raises(AegisError) as caught:
        unloaded(**mistake)
    assert "2468" not in told_by(caught.value)


def test_pool_has_four_sessions_unless_asked() -> None:
    """As the guide says; AEGIS_HSM_POOL_SIZE is another number."""
    assert unloaded()._key_of_token._slots._initial_value == 4
    assert unloaded(pool_size=2)._key_of_token._slots._initial_value == 2


@pytest.mark.parametrize("size", [0, -1])
def test_pool_without_sessions_is_refused(size: int) -> None:
    """Everybody would wait for a session for ever."""
    with pytest.raises(ConfigurationError, match="pool"):
        unloaded(pool_size=size)

"""What the tests of the HSM provider do with a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.kek import HSMKEKProvider, pkcs11
from aegis_stream.kek.hsm_key import HsmWrappingKey
from aegis_stream.kek.hsm_library import HsmLibrary
from aegis_stream.kek.secret import Secret

if TYPE_CHECKING:
    from aegis_stream.hybrid import HybridKeypair
    from tests.support.softhsm import HsmToken

LABEL = "aegis-kek-v1"


def wrapping_key(token: HsmToken, label: str = LABEL, pin: str | None = None) -> HsmWrappingKey:
    """Return a wrapping key of a token."""
    return HsmWrappingKey(
        pkcs11_lib=token.library, token_label=token.label, pin=Secret(pin or token.pin), key_label=label
    )


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


def library_of(token: HsmToken) -> HsmLibrary:
    """Return the library of this process."""
    library = HsmLibrary.open(token.library)
    assert isinstance(library, HsmLibrary)
    return library


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

"""The KEK whose private key an HSM unwraps at start, over PKCS#11."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from aegis_stream.errors import ConfigurationError
from aegis_stream.hybrid import PRIVATE_KEY_BYTES
from aegis_stream.kek import variables as v
from aegis_stream.kek.choice import needed
from aegis_stream.kek.hsm_key import POOL_SIZE, HsmWrappingKey
from aegis_stream.kek.kept import clear_and_keep
from aegis_stream.kek.remote import RemoteKEK, check_blob
from aegis_stream.kek.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

WRAPPED_BYTES = PRIVATE_KEY_BYTES + 8  # RFC 5649: one block more than a multiple of 8


class HSMKEKProvider(RemoteKEK):
    """Lets an AES-256 key inside the HSM unwrap the private key once, and holds it in memory from then on.

    The sessions are closed and the token is logged out as soon as the key is here.
    """

    __slots__ = ("_key_of_token",)

    name: ClassVar[str] = "hsm"

    def __init__(  # noqa: PLR0913 - the guide's six, and three that rarely change
        self,
        *,
        pkcs11_lib: str,
        token_label: str,
        pin: str | Secret[str],
        wrapping_key_label: str,
        wrapped_private_key: bytes,
        public_key_bytes: bytes,
        pool_size: int = POOL_SIZE,
        mechanism: int | None = None,
        defer: bool = False,
    ) -> None:
        """Load the KEK; with `defer` the first decapsulation (or `load`) does so.

        `pool_size` bounds the sessions at a time; `mechanism` is the number of the token's mechanism for RFC 5649 where
        its own list misleads.

        Raises KEKError: EXTRA_MISSING, INCOMPLETE (the library cannot be loaded), UNSUPPORTED, BAD_CREDENTIALS,
        WRONG_KEY, CONFLICT, BAD_BLOB, MISMATCH; KEKUnavailableError: UNAVAILABLE; KeyRefusedError: a key is not one;
        ConfigurationError: a pool without sessions.
        """
        pin = pin if isinstance(pin, Secret) else Secret(pin)  # first of all: an error's frames hold what stands here
        check_blob(wrapped_private_key, least=WRAPPED_BYTES, most=WRAPPED_BYTES, vendor="an HSM")
        super().__init__(wrapped=wrapped_private_key, public_key_bytes=public_key_bytes, source="the KEK's public key")
        self._key_of_token = HsmWrappingKey(
            pkcs11_lib=pkcs11_lib,
            token_label=token_label,
            pin=pin,
            key_label=wrapping_key_label,
            pool_size=pool_size,
            mechanism=mechanism,
        )
        if not defer:
            self.load()

    @classmethod
    def from_environment(
        cls, *, prefix: str = v.PREFIX, environ: Mapping[str, str] | None = None, defer: bool = False
    ) -> Self:
        """Read the guide's five AEGIS_HSM_… variables and AEGIS_MASTER_KEK_PUBLIC (or their …_FILE).

        AEGIS_HSM_MECHANISM and AEGIS_HSM_POOL_SIZE may add to them.  Raises as the constructor, and INCOMPLETE (names
        what is missing), CONFLICT, KeyRefusedError (ENCODING; PERMISSIONS of the PIN's file).
        """
        variables = v.Variables(prefix=prefix, environ=environ)
        del environ
        variables.need(needed(cls.name), provider=cls.name)
        provider = cls(
            pkcs11_lib=variables.text(v.HSM_PKCS11_LIB),
            token_label=variables.text(v.HSM_TOKEN_LABEL),
            pin=variables.secret(v.HSM_PIN),
            wrapping_key_label=variables.text(v.HSM_WRAPPING_KEY_LABEL),
            wrapped_private_key=variables.key_bytes(v.HSM_WRAPPED_PRIVATE_KEY).reveal(),
            public_key_bytes=variables.key_bytes(v.MASTER_KEK_PUBLIC).reveal(),
            pool_size=read_number(variables, v.HSM_POOL_SIZE) or POOL_SIZE,
            mechanism=read_number(variables, v.HSM_MECHANISM),
            defer=defer,
        )
        clear_and_keep(variables, v.HSM_PIN, provider)
        return provider

    def _unwrap(self) -> Secret[bytes]:
        with self._key_of_token as key:
            return key.unwrap(self._wrapped)


def wrapping_key(variables: v.Variables) -> HsmWrappingKey:
    """Return the wrapping key that the variables name.  Raises KEKError (INCOMPLETE), ConfigurationError."""
    return HsmWrappingKey(
        pkcs11_lib=variables.text(v.HSM_PKCS11_LIB),
        token_label=variables.text(v.HSM_TOKEN_LABEL),
        pin=variables.secret(v.HSM_PIN),
        key_label=variables.text(v.HSM_WRAPPING_KEY_LABEL),
        mechanism=read_number(variables, v.HSM_MECHANISM),
    )


def read_number(variables: v.Variables, suffix: str) -> int | None:
    """Return a positive number, decimal or hexadecimal (0x210B), or None where it is not set.

    Raises ConfigurationError.
    """
    if not variables.present(suffix):
        return None
    text = variables.text(suffix)
    try:
        number = int(text, 0)
    except ValueError:
        number = 0
    if number <= 0:
        raise ConfigurationError(f"{variables.name(suffix)} is no positive number", remedy="for example 4, or 0x210B")
    return number

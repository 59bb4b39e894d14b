"""Making a KEK: a keypair, wrapped where it will live, opened again to be sure, told as variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aegis_stream.errors import KeyReason, KeyRefusedError
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.kek import choice
from aegis_stream.kek import variables as v
from aegis_stream.kek.aws_kms import AWSKMSKEKProvider, KMSWrappingKey
from aegis_stream.kek.environment import EnvironmentKEKProvider
from aegis_stream.kek.hsm import HSMKEKProvider
from aegis_stream.kek.hsm_key import HsmWrappingKey
from aegis_stream.kek.kms_context import context_of, write_context
from aegis_stream.kek.provider import check_kek
from aegis_stream.kek.secret import Secret
from aegis_stream.wire import b64encode, kek_id

if TYPE_CHECKING:
    from collections.abc import Mapping


class KEKKeypair:
    """A KEK's keypair between its making and its wrapping; it shows no byte of the private key."""

    __slots__ = ("private", "public")

    def __init__(self, private: Secret[bytes]) -> None:
        """Take a private key of 2,432 bytes.  Raises KeyRefusedError."""
        public = _public_of(private)
        if isinstance(public, KeyReason):
            raise KeyRefusedError(public, "the KEK's private key is damaged or is another kind of key")
        self.private = private
        self.public = public

    @classmethod
    def generate(cls) -> KEKKeypair:
        """Make one from the operating system's randomness."""
        return cls(Secret(HybridKEM.generate_keypair().private))

    def __repr__(self) -> str:
        """Show the KEK id."""
        return f"<KEKKeypair {kek_id(self.public)}>"


def _public_of(private: Secret[bytes]) -> bytes | KeyReason:
    """Return the public key; a reason instead of an error, whose frames would hold the bytes."""
    try:
        return HybridPrivateKey.from_bytes(private.reveal()).public
    except KeyRefusedError as error:
        return KeyReason(error.reason)


@dataclass(frozen=True, slots=True, repr=False)
class Provisioned:
    """A KEK that was made and opened again: what a deployment sets for it.

    `variables` are in the guide's order; `secrets` names those whose values are (the environment form's private key
    alone); `to_add` those that the operator adds from elsewhere (the HSM's PIN, which is never shown).
    """

    provider: str
    kek_id: str
    variables: Mapping[str, str]
    secrets: frozenset[str] = frozenset()
    to_add: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show no value."""
        return f"<Provisioned {self.provider} {self.kek_id}>"


def provision_kms(
    key_id: str,
    *,
    keypair: KEKKeypair,
    encryption_context: Mapping[str, str] | None = None,
    prefix: str = v.PREFIX,
) -> Provisioned:
    """Encrypt the private key under a KMS key and decrypt it again, as a deployment will.

    Needs kms:Encrypt and kms:Decrypt.  Raises as AWSKMSKEKProvider.
    """
    with KMSWrappingKey(key_id) as key:
        wrapped = key.wrap(keypair.private, context=context_of(kek_id(keypair.public), encryption_context))
    variables = {
        prefix + v.KMS_KEY_ID: key_id,
        prefix + v.KMS_WRAPPED_PRIVATE_KEY: b64encode(wrapped),
        prefix + v.MASTER_KEK_PUBLIC: b64encode(keypair.public),
    }
    if encryption_context:
        variables[prefix + v.KMS_ENCRYPTION_CONTEXT] = write_context(encryption_context)
    check_kek(AWSKMSKEKProvider.from_environment(prefix=prefix, environ=variables))
    return Provisioned(choice.KMS, kek_id(keypair.public), variables)


@dataclass(frozen=True, slots=True)
class HsmPlace:
    """A wrapping key in a token; `mechanism` is the number of one that the token's own list does not suggest."""

    pkcs11_lib: str
    token_label: str
    pin: Secret[str]
    wrapping_key_label: str
    mechanism: int | None = None

    def key(self) -> HsmWrappingKey:
        """Return the wrapping key; use it as a context manager."""
        return HsmWrappingKey(
            pkcs11_lib=self.pkcs11_lib,
            token_label=self.token_label,
            pin=self.pin,
            key_label=self.wrapping_key_label,
            mechanism=self.mechanism,
        )


def provision_hsm(
    place: HsmPlace, *, keypair: KEKKeypair, make_wrapping_key: bool = False, prefix: str = v.PREFIX
) -> Provisioned:
    """Wrap the private key inside a token and unwrap it again, as a deployment will.

    With `make_wrapping_key` the AES-256 key is made first.  Raises as HSMKEKProvider; CONFLICT: the label is taken.
    """
    with place.key() as key:
        if make_wrapping_key:
            key.make()
        wrapped = key.wrap(keypair.private)
    variables = {
        prefix + v.HSM_PKCS11_LIB: place.pkcs11_lib,
        prefix + v.HSM_TOKEN_LABEL: place.token_label,
        prefix + v.HSM_WRAPPING_KEY_LABEL: place.wrapping_key_label,
        prefix + v.HSM_WRAPPED_PRIVATE_KEY: b64encode(wrapped),
        prefix + v.MASTER_KEK_PUBLIC: b64encode(keypair.public),
    }
    if place.mechanism is not None:
        variables[prefix + v.HSM_MECHANISM] = f"{place.mechanism:#x}"
    pin = prefix + v.HSM_PIN
    check_kek(HSMKEKProvider.from_environment(prefix=prefix, environ=variables | {pin: place.pin.reveal()}))
    return Provisioned(choice.HSM, kek_id(keypair.public), variables, to_add=(pin,))


def provision_environment(*, keypair: KEKKeypair, prefix: str = v.PREFIX) -> Provisioned:
    """Tell a keypair as variables, read again as a deployment will.  They hold the private key in the clear."""
    private = prefix + v.MASTER_KEK_PRIVATE
    made = Provisioned(
        choice.ENVIRONMENT,
        kek_id(keypair.public),
        {
            prefix + v.MASTER_KEK_PUBLIC: b64encode(keypair.public),
            private: b64encode(keypair.private.reveal()),
        },
        secrets=frozenset({private}),
    )
    check_kek(EnvironmentKEKProvider.from_environment(prefix=prefix, environ=made.variables))
    return made

"""What a KEK provider is, and how one is chosen."""

from __future__ import annotations

import hmac
import logging
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.kek import choice as names
from aegis_stream.kek.aws_kms import AWSKMSKEKProvider
from aegis_stream.kek.choice import choose
from aegis_stream.kek.environment import EnvironmentKEKProvider
from aegis_stream.kek.hsm import HSMKEKProvider
from aegis_stream.kek.kept import kept, one_at_a_time
from aegis_stream.kek.memory import InMemoryKEKProvider
from aegis_stream.kek.variables import PREFIX, Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("aegis_stream.kek")


@runtime_checkable
class KEKProvider(Protocol):
    """Holds the key encryption key.  Wrapping and unwrapping a DEK are functions over it (`aegis_stream.wrapping`)."""

    @property
    def name(self) -> str:
        """Which provider it is: kms, hsm, environment, in_memory, or a name of your own."""

    @property
    def kek_id(self) -> str:
        """`kek-` and the first 16 hex digits of SHA-256 of the public key."""

    def get_public_key(self) -> bytes:
        """Return the KEK's public key, 1,216 bytes."""

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Return the shared secret, 32 bytes, of an encapsulation of 1,120 bytes.

        Raises KeyRefusedError(ENCAPSULATION); KEKError and KEKUnavailableError where the key is elsewhere.
        """


def get_kek_provider(
    name: str | None = None,
    *,
    prefix: str = PREFIX,
    environ: Mapping[str, str] | None = None,
    allow_in_memory: bool = True,
    defer: bool = False,
) -> KEKProvider:
    """Return the KEK provider that is configured, loaded and checked.

    Without a name the first that has any of its variables set is taken: KMS, HSM, environment; in-memory where nothing
    is configured and `allow_in_memory` is left on.  A configured provider that does not work is an error and no reason
    to take another.  `prefix="AEGIS_NEXT_"` reads the second KEK of a rotation.  With `defer` KMS and HSM are not asked
    before the first decapsulation.  May be called many times.

    Raises KEKError: NOT_CONFIGURED, INCOMPLETE (names what is missing), CONFLICT, FORBIDDEN (production), EXTRA_MISSING
    and what the provider finds; KEKUnavailableError: trying again may help; KeyRefusedError: a key is not one;
    ConfigurationError: a setting says what nobody knows.
    """
    variables = Variables(prefix=prefix, environ=environ)
    del environ
    with one_at_a_time(variables):
        loaded = kept(variables)
        if loaded is not None and name in {None, loaded.name}:
            return loaded
        return _choose_and_build(variables, name, allow_in_memory=allow_in_memory, defer=defer)


def _choose_and_build(variables: Variables, name: str | None, *, allow_in_memory: bool, defer: bool) -> KEKProvider:
    """Choose by what is set, say so, and load."""
    choice = choose(variables, name)
    if choice.name == names.IN_MEMORY and name is None and not allow_in_memory:
        raise KEKError(
            KEKReason.NOT_CONFIGURED,
            f"no KEK is configured (no {variables.name('KMS_…')}, {variables.name('HSM_…')} or "
            f"{variables.name('MASTER_KEK_…')} variable is set)",
            remedy="`aegis kek provision kms`, `hsm` or `environment` makes one and prints its variables",
        )
    _log.info("KEK provider %s: %s", choice.name, choice.because)
    if choice.unused:
        _log.warning("configured as well and not used: %s", ", ".join(choice.unused))
    return _build(choice.name, variables, defer=defer)


def _build(name: str, variables: Variables, *, defer: bool) -> KEKProvider:
    """Make and load the provider."""
    if name == names.KMS:
        return AWSKMSKEKProvider.from_environment(prefix=variables.prefix, environ=variables.environ, defer=defer)
    if name == names.HSM:
        return HSMKEKProvider.from_environment(prefix=variables.prefix, environ=variables.environ, defer=defer)
    if name == names.ENVIRONMENT:
        return EnvironmentKEKProvider.from_environment(prefix=variables.prefix, environ=variables.environ)
    return InMemoryKEKProvider(environ=variables.environ)


def check_kek(provider: KEKProvider) -> None:
    """Encapsulate to the provider's public key and let it decapsulate: the two must agree.

    Raises KEKError(MISMATCH) where they do not, and whatever `decapsulate` raises.
    """
    probe = HybridPublicKey.from_bytes(provider.get_public_key()).encapsulate()
    if not hmac.compare_digest(provider.decapsulate(probe.encapsulation), probe.shared_secret):
        raise KEKError(
            KEKReason.MISMATCH,
            f"the {provider.name} KEK's private key does not belong to its public key",
            remedy="the two values come from different provisionings: take both from the same one",
        )

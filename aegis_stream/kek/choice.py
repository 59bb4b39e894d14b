"""Which KEK provider a configuration means: decided by what is set, never by what happens to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek import variables as v

if TYPE_CHECKING:
    from aegis_stream.kek.variables import Variables

KMS = "kms"
HSM = "hsm"
ENVIRONMENT = "environment"
IN_MEMORY = "in_memory"
NAMES = (KMS, HSM, ENVIRONMENT, IN_MEMORY)

_OWN: dict[str, tuple[str, ...]] = {
    KMS: (v.KMS_KEY_ID, v.KMS_WRAPPED_PRIVATE_KEY),
    HSM: (v.HSM_PKCS11_LIB, v.HSM_TOKEN_LABEL, v.HSM_PIN, v.HSM_WRAPPING_KEY_LABEL, v.HSM_WRAPPED_PRIVATE_KEY),
    ENVIRONMENT: (v.MASTER_KEK_PRIVATE,),
}
"""The variables of each provider in the order of detection; all three need the public key as well."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which provider, why, and which others are configured and stay unused."""

    name: str
    because: str
    unused: tuple[str, ...] = ()


def needed(name: str) -> tuple[str, ...]:
    """Return the variables of a provider, without prefix."""
    return (*_OWN[name], v.MASTER_KEK_PUBLIC) if name in _OWN else ()


def configured(variables: Variables) -> tuple[str, ...]:
    """Return the providers that have any of their own variables set, in the order of detection."""
    return tuple(own for own, names in _OWN.items() if any(variables.present(suffix) for suffix in names))


def mentioned(variables: Variables) -> bool:
    """Tell whether any variable of a KEK is set, also one that alone is half a configuration."""
    return bool(configured(variables)) or variables.present(v.MASTER_KEK_PUBLIC)


def choose(variables: Variables, name: str | None = None) -> Choice:
    """Return the named provider, or the first that has any of its variables set: KMS, HSM, environment, in-memory.

    Raises KEKError: INCOMPLETE (half a configuration; names what is missing), NOT_CONFIGURED (no such provider).
    """
    if name is not None and name not in NAMES:
        raise KEKError(
            KEKReason.NOT_CONFIGURED, f"there is no KEK provider {name!r}", remedy=f"one of {', '.join(NAMES)}"
        )
    found = configured(variables)
    if name is not None:
        choice = Choice(name, "asked for by name", tuple(other for other in found if other != name))
    elif found:
        sign = next(variables.name(suffix) for suffix in _OWN[found[0]] if variables.present(suffix))
        choice = Choice(found[0], f"{sign} is set", found[1:])
    elif variables.present(v.MASTER_KEK_PUBLIC):
        raise KEKError(
            KEKReason.INCOMPLETE,
            f"{variables.name(v.MASTER_KEK_PUBLIC)} is set and no variable that says where the private key is",
            remedy=f"set {variables.name('KMS_…')}, {variables.name('HSM_…')} or "
            f"{variables.name(v.MASTER_KEK_PRIVATE)}; `aegis kek provision` prints them",
        )
    else:
        choice = Choice(IN_MEMORY, "no KEK is configured")
    variables.need(needed(choice.name), provider=choice.name)
    return choice

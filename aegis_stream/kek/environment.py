"""The KEK in environment variables or mounted files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, Self

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.kek.choice import needed
from aegis_stream.kek.held import HeldKEK, load_private_key, load_public_key
from aegis_stream.kek.kept import clear_and_keep
from aegis_stream.kek.variables import (
    ALLOW_ENVIRONMENT_KEK,
    MASTER_KEK_PRIVATE,
    MASTER_KEK_PUBLIC,
    PREFIX,
    Variables,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("aegis_stream.kek")


class EnvironmentKEKProvider(HeldKEK):
    """Reads the keypair from AEGIS_MASTER_KEK_PUBLIC and AEGIS_MASTER_KEK_PRIVATE, or the files that …_FILE name.

    Variables are readable for whoever may inspect the process or its container: use KMS or an HSM where there is one.
    """

    __slots__ = ()

    name: ClassVar[str] = "environment"

    def __init__(self, *, prefix: str = PREFIX, environ: Mapping[str, str] | None = None) -> None:
        """Load the keypair from `environ`, or from the process's environment.

        Raises KEKError: FORBIDDEN (production without AEGIS_ALLOW_ENVIRONMENT_KEK=1), INCOMPLETE (names what is
        missing), CONFLICT (a variable and its file), MISMATCH; KeyRefusedError: ENCODING, LENGTH, MODULUS, LOW_ORDER,
        INCONSISTENT, PERMISSIONS.
        """
        variables = Variables(prefix=prefix, environ=environ)
        del environ
        if variables.production and not variables.environment_kek_allowed:
            raise KEKError(
                KEKReason.FORBIDDEN,
                "a KEK in environment variables is refused in production",
                remedy=f"configure KMS or an HSM, or accept the risk with {ALLOW_ENVIRONMENT_KEK}=1",
            )
        variables.need(needed(self.name), provider=self.name)
        _log.warning("the KEK's private key comes from the environment: software protection only")
        public = load_public_key(
            variables.key_bytes(MASTER_KEK_PUBLIC).reveal(), source=variables.name(MASTER_KEK_PUBLIC)
        )
        super().__init__(
            public=public,
            private=load_private_key(
                variables.key_bytes(MASTER_KEK_PRIVATE), public=public, source=variables.name(MASTER_KEK_PRIVATE)
            ),
        )
        clear_and_keep(variables, MASTER_KEK_PRIVATE, self)

    @classmethod
    def from_environment(cls, *, prefix: str = PREFIX, environ: Mapping[str, str] | None = None) -> Self:
        """Return a provider as the constructor does, under the name that every provider has."""
        variables = Variables(prefix=prefix, environ=environ)
        del environ  # no frame of an error may hold the whole environment
        return cls(prefix=prefix, environ=variables.environ)

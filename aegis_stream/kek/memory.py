"""The KEK of tests: made anew in every process and gone with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

from aegis_stream.errors import KEKError, KEKReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair
from aegis_stream.kek.held import HeldKEK, load_private_key, load_public_key
from aegis_stream.kek.secret import Secret
from aegis_stream.kek.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("aegis_stream.kek")


class InMemoryKEKProvider(HeldKEK):
    """Makes a keypair of its own; what was wrapped under it is lost when the process ends."""

    __slots__ = ()

    name: ClassVar[str] = "in_memory"

    def __init__(self, *, keypair: HybridKeypair | None = None, environ: Mapping[str, str] | None = None) -> None:
        """Use `keypair`, or a fresh one.

        Raises KEKError: FORBIDDEN (AEGIS_ENVIRONMENT says production), MISMATCH; KeyRefusedError as for any key;
        ConfigurationError: AEGIS_ENVIRONMENT says what nobody knows.
        """
        variables = Variables(environ=environ)
        del environ
        if variables.production:
            raise KEKError(
                KEKReason.FORBIDDEN,
                "an in-memory KEK is refused in production: its keys are lost with the process",
                remedy="configure KMS or an HSM; `aegis kek provision` prints the variables",
            )
        if keypair is None:
            _log.warning("the KEK is in memory only: what it wraps cannot be read once this process has ended")
            keypair = HybridKEM.generate_keypair()
        else:
            _log.warning("the KEK is in memory only, from a keypair that the program brought: for tests")
        public = load_public_key(keypair.public, source="keypair.public")
        super().__init__(
            public=public,
            private=load_private_key(Secret(keypair.private), public=public, source="keypair.private"),
        )

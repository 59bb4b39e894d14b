"""The variables that configure a KEK provider, each also as a file under its name with `_FILE`."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError, KEKError, KEKReason, KeyReason, KeyRefusedError
from aegis_stream.kek.secret import Secret
from aegis_stream.secret_files import read_public_file, read_secret_file
from aegis_stream.wire import b64decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "AEGIS_"
NEXT_PREFIX = "AEGIS_NEXT_"

MASTER_KEK_PUBLIC = "MASTER_KEK_PUBLIC"
MASTER_KEK_PRIVATE = "MASTER_KEK_PRIVATE"
KMS_KEY_ID = "KMS_KEY_ID"
KMS_WRAPPED_PRIVATE_KEY = "KMS_WRAPPED_PRIVATE_KEY"
KMS_ENCRYPTION_CONTEXT = "KMS_ENCRYPTION_CONTEXT"
HSM_PKCS11_LIB = "HSM_PKCS11_LIB"
HSM_TOKEN_LABEL = "HSM_TOKEN_LABEL"  # noqa: S105 - the name of a variable
HSM_PIN = "HSM_PIN"
HSM_WRAPPING_KEY_LABEL = "HSM_WRAPPING_KEY_LABEL"
HSM_WRAPPED_PRIVATE_KEY = "HSM_WRAPPED_PRIVATE_KEY"
HSM_MECHANISM = "HSM_MECHANISM"
HSM_POOL_SIZE = "HSM_POOL_SIZE"

ENVIRONMENT = "AEGIS_ENVIRONMENT"
ALLOW_ENVIRONMENT_KEK = "AEGIS_ALLOW_ENVIRONMENT_KEK"
CLEAR_ENVIRONMENT = "AEGIS_KEK_CLEAR_ENVIRONMENT"

_SECRETS = frozenset({MASTER_KEK_PRIVATE, HSM_PIN})
PRODUCTION = "production"
_STAGES = ("development", "test", PRODUCTION)
_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_FALSE = frozenset({"", "0", "false", "no", "off", "f", "n"})


class Variables:
    """A view of the environment under one prefix; its repr shows names only.

    Names without the prefix are the guide's: `MASTER_KEK_PUBLIC` is `AEGIS_MASTER_KEK_PUBLIC`, or during a rotation
    `AEGIS_NEXT_MASTER_KEK_PUBLIC` for the second provider.  An empty variable counts as not set.
    """

    __slots__ = ("_environ", "prefix")

    def __init__(self, *, prefix: str = PREFIX, environ: Mapping[str, str] | None = None) -> None:
        """Look at `environ`, or at the process's environment."""
        self._environ: Mapping[str, str] = os.environ if environ is None else environ
        self.prefix = prefix

    def name(self, suffix: str) -> str:
        """Return the whole name of a variable."""
        return self.prefix + suffix

    def present(self, suffix: str) -> bool:
        """Tell whether the variable or its `_FILE` form is set."""
        return bool(self._get(self.name(suffix)) or self._get(self.name(suffix) + "_FILE"))

    def missing(self, suffixes: Iterable[str]) -> tuple[str, ...]:
        """Return the whole names of those that are not set."""
        return tuple(self.name(suffix) for suffix in suffixes if not self.present(suffix))

    def need(self, suffixes: Iterable[str], *, provider: str) -> None:
        """Refuse half a configuration.  Raises KEKError(INCOMPLETE), which names all that is missing."""
        missing = self.missing(suffixes)
        if missing:
            raise KEKError(
                KEKReason.INCOMPLETE,
                f"the {provider} KEK is half configured: missing {', '.join(missing)}",
                remedy=f"`aegis kek provision {provider}` prints them all; each may also be a file (…_FILE)",
            )

    def secret(self, suffix: str) -> Secret[str]:
        """Return the value of a variable or the content of its file, without white space at the ends.

        Raises KEKError: INCOMPLETE (neither is set), CONFLICT (both are); ConfigurationError: the file cannot be read;
        KeyRefusedError(PERMISSIONS): it holds a secret, and others can reach it.
        """
        name = self.name(suffix)
        value, path = self._get(name), self._get(name + "_FILE")
        if value and path:
            raise KEKError(
                KEKReason.CONFLICT,
                f"{name} and {name}_FILE are both set",
                remedy=f"keep one of them; {name}_FILE is the safer one for a secret",
            )
        if path:
            read = read_secret_file if suffix in _SECRETS else read_public_file
            return Secret(read(Path(path), name=f"{name}_FILE"))
        if not value:
            raise KEKError(
                KEKReason.INCOMPLETE, f"{name} is not set", remedy=f"set {name}, or {name}_FILE to a file that holds it"
            )
        return Secret(value)

    def text(self, suffix: str) -> str:
        """Return a value that may be shown; raises as `secret`."""
        return self.secret(suffix).reveal()

    def key_bytes(self, suffix: str) -> Secret[bytes]:
        """Return the decoded bytes of a base64 value; raises as `secret`, and KeyRefusedError(ENCODING)."""
        value = self.secret(suffix)
        decoded = _decode(value)
        if decoded is None:
            raise KeyRefusedError(
                KeyReason.ENCODING,
                f"{self.name(suffix)} is not canonical base64 (standard alphabet, padding, one line)",
                remedy="copy the value again, whole and without line breaks",
            )
        return decoded

    @property
    def production(self) -> bool:
        """Whether AEGIS_ENVIRONMENT says production; it has no second name during a rotation.

        Raises ConfigurationError: it says something that nobody knows, which must not be taken for less.
        """
        stage = self._get(ENVIRONMENT)
        if stage and stage not in _STAGES:
            raise ConfigurationError(
                f"{ENVIRONMENT} is none of {', '.join(_STAGES)}", remedy=f"write it so, in small letters: {PRODUCTION}"
            )
        return stage == PRODUCTION

    @property
    def environment_kek_allowed(self) -> bool:
        """Whether AEGIS_ALLOW_ENVIRONMENT_KEK allows the environment provider in production; raises as `production`."""
        return self._switch(ALLOW_ENVIRONMENT_KEK)

    @property
    def clear_after_loading(self) -> bool:
        """Whether AEGIS_KEK_CLEAR_ENVIRONMENT asks for secrets to leave the environment once they are loaded.

        Raises ConfigurationError: a word that is neither yes nor no would leave them there.
        """
        return self._switch(CLEAR_ENVIRONMENT)

    def _switch(self, name: str) -> bool:
        word = self._get(name).lower()
        if word not in _TRUE | _FALSE:
            raise ConfigurationError(f"{name} is neither 1 nor 0", remedy=f"{name}=1 switches it on")
        return word in _TRUE

    def clear(self, suffix: str) -> None:
        """Take a secret out of the environment, so that child processes and later dumps do not hold it."""
        if isinstance(self._environ, MutableMapping):
            self._environ.pop(self.name(suffix), None)

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment itself: pass it on within an expression and bind it to no name, it holds secrets."""
        return self._environ

    @property
    def of_process(self) -> bool:
        """Whether this looks at the process's own environment."""
        return self._environ is os.environ

    def _get(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def __repr__(self) -> str:
        """Show the prefix only."""
        return f"<Variables {self.prefix}*>"


def _decode(value: Secret[str]) -> Secret[bytes] | None:
    """Decode base64; None instead of an error, whose frames would hold the text."""
    try:
        return Secret(b64decode(value.reveal()))
    except KeyRefusedError:
        return None

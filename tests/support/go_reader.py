"""The reader in Go (examples/go-reader) behind the same kind of answer as the other readers."""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

from tests.support import vectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def keys_file(keyring: str) -> dict[str, Any]:
    """Give a named keyring of the vectors as the reader's keys file has it."""
    known = vectors.load("keyrings")
    ring = known["keyrings"][keyring]
    deks = {}
    for version, entry in ring["deks"].items():
        pair = known["pairs"].get(version, {})
        deks[version] = entry if "reason" in entry else {**entry, "public": pair["public"], "private": pair["private"]}
    return {"policies": known["policies"], "deks": deks, "signers": ring["signers"]}


class GoReader:
    """The compiled program, with one keys file."""

    def __init__(self, program: Path, keys: Mapping[str, Any], folder: Path) -> None:
        """Write the keys file into `folder`."""
        self._program = program
        self._keys = folder / "keys.json"
        self._keys.write_text(json.dumps(keys))

    def run(self, lines: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
        """Run the program over its standard input."""
        command = [self._program, "-keys", self._keys, *options]
        return subprocess.run(command, input=lines, capture_output=True, timeout=60, check=False)

    def open_batch(self, raw: Sequence[bytes]) -> list[dict[str, Any]]:
        """Give one answer an event: {"dek", "source", "event" (its text)} or {"refused": {"reason", "path"}}."""
        lines = b"".join(base64.b64encode(one) + b"\n" for one in raw)
        done = self.run(lines, "-base64")
        assert done.returncode in {0, 1}, done.stderr.decode()
        answers = [json.loads(line) | {"line": line} for line in done.stdout.decode().split("\n")[:-1]]
        assert len(answers) == len(raw)
        assert done.returncode == any("refused" in answer for answer in answers)
        return answers

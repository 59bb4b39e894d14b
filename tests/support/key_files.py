"""What `aegis keys init` leaves behind, read back by other means."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from aegis_stream.keyring.keyring import Keyring
from tests.support.control_topic import read_all

if TYPE_CHECKING:
    from pathlib import Path


def raw(path: Path) -> bytes:
    """Return the bytes of a key file."""
    return base64.b64decode(path.read_text().strip(), validate=True)


def variables(path: Path) -> dict[str, str]:
    """Return what a shell makes of a file of variables."""
    shell = shutil.which("sh") or "/bin/sh"
    script = f'set -a; . "{path}"; env -0'
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, env={})
    pairs = (entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
    return {name: value for name, value in pairs if name.startswith("AEGIS_")}


def followed(kafka: str, topic: str, folder: Path) -> Keyring:
    """Return what a follower that pins the new agent's key makes of the topic."""
    keyring = Keyring(deployment=os.environ["AEGIS_DEPLOYMENT"], agent_keys=[raw(folder / "agent-signing.pub")])
    for key, value in asyncio.run(read_all(kafka, topic)):
        keyring.offer(key, value, now=dt.datetime.now(dt.UTC))
    return keyring

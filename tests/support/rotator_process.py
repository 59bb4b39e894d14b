"""The rotation agent as a process of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from aegis_stream.errors import ManifestRefusedError
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.manifest import Manifest
from tests.support.control_topic import read_all
from tests.support.keyrings import AGENT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.keyrings import Deployment

RUN = "from aegis_stream.settings import load_settings; from topologies.rotate_deks import run_rotator; import sys; "


async def manifests(kafka: str, topic: str) -> list[Manifest]:
    """Return every manifest on the topic that can be read, whoever signed it."""
    found = []
    for key, value in await read_all(kafka, topic):
        if key == "manifest" and value is not None:
            with contextlib.suppress(ManifestRefusedError):
                found.append(Manifest.from_payload(Envelope.parse(value, Kind.MANIFEST).payload))
    return found


async def until_manifests(kafka: str, topic: str, number: int, *, timeout_s: float = 60.0) -> None:
    """Wait until there are so many."""
    async with asyncio.timeout(timeout_s):
        while len(await manifests(kafka, topic)) < number:  # noqa: ASYNC110 - another process writes them
            await asyncio.sleep(0.1)


class RotatorProcess:
    """`run_rotator` in a process of its own."""

    def __init__(self, kafka: str, topic: str, deployment: Deployment, folder: Path, arguments: str = "") -> None:
        """Say what it is told."""
        key = folder / "agent.key"
        if not key.exists():
            key.touch(mode=0o600)
            key.write_text(base64.b64encode(AGENT.export()).decode())
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")} | {
            "AEGIS_BROKER": kafka,
            "AEGIS_DEPLOYMENT": deployment.name,
            "AEGIS_TOPIC_CONTROL": topic,
            "AEGIS_STATE_DIR": str(folder),
            "AEGIS_AGENT_SIGNING_KEY_FILE": str(key),
            "AEGIS_MANIFEST_INTERVAL_S": "1",
            "AEGIS_ROTATION_INTERVAL": "off",
        }
        self.code = RUN + f"sys.exit(run_rotator(load_settings(){arguments}))"

    async def __aenter__(self) -> asyncio.subprocess.Process:
        """Start it."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-c", self.code, env=self.environ, stderr=asyncio.subprocess.PIPE
        )
        return self.process

    async def __aexit__(self, *_: object) -> None:
        """See that it is gone."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

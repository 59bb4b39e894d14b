"""A deployment with two custodians on a real broker, whose operators only type commands."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pytest

from aegis_stream.cli import main
from aegis_stream.client.command_client import CommandClient
from aegis_stream.settings import load_settings
from tests.support.control_topic import make_topic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aegis_stream.client.command_client import Standing
    from aegis_stream.keyring.manifest import Manifest
    from tests.support.command_line import CommandLine

PEOPLE = ("risk-lead", "security-lead", "recovery")


class Seen(NamedTuple):
    """What an operator sees of the topic."""

    manifest: Manifest
    standings: dict[str, Standing]


class Operators:
    """Runs `aegis` as whoever holds a key file in `folder`; the environment is that of an operator."""

    def __init__(self, aegis: CommandLine, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take what runs commands, and set the environment."""
        self.aegis = aegis
        self.folder = place.folder
        self.place = place
        monkeypatch.setenv("COLUMNS", "200")
        for name, value in place.operator.items():
            monkeypatch.setenv(name, value)

    def key(self, name: str) -> Path:
        """Return a private key's file."""
        return self.folder / f"{name}.key"

    def new_key(self, name: str) -> Path:
        """Make a custodian's keypair; returns the public file."""
        assert self.aegis("custodian", "new", "--out", self.key(name)).code == 0
        return self.folder / f"{name}.pub"

    def ask(self, *arguments: object, by: str, code: int = 0) -> dict[str, object]:
        """Give a command as somebody and return its JSON."""
        ended = self.aegis(*arguments, "--key", self.key(by), "--yes", "--json")
        assert ended.code == code, (arguments, ended)
        shape: dict[str, object] = orjson.loads(ended.out)
        return shape

    def both(self, *arguments: object, also: tuple[str, ...] = ()) -> dict[str, object]:
        """Give a command as the Risk Lead and let the Security Lead approve it; returns the end of it."""
        shape = self.ask(*arguments, by="risk-lead")
        for name in ("security-lead", *also):
            shape = self.ask("control", "approve", shape["id"], by=name)
        return shape

    def see(self) -> Seen:
        """Read the topic."""

        async def read() -> Seen:
            async with CommandClient(load_settings()) as client:
                return Seen(client.manifest, {standing.case.id: standing for standing in client.standings()})

        return asyncio.run(read())


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment: the folder of its key files, and the variables of its operators and of its agent."""

    folder: Path
    operator: dict[str, str]
    agent: dict[str, str]

    @classmethod
    def make(cls, kafka: str, folder: Path, name: str, **topic_settings: str) -> Place:
        """Make topics, custodians' keys and the first manifest; the settings are those of the control topic."""
        topic, keys = f"control.{name}", folder / "keys"
        asyncio.run(make_topic(kafka, topic, cleanup_policy="compact", **topic_settings))
        asyncio.run(make_topic(kafka, f"encrypted.{name}", partitions=2))
        common = {
            "AEGIS_BROKER": kafka,
            "AEGIS_DEPLOYMENT": name[:90],
            "AEGIS_TOPIC_CONTROL": topic,
            "AEGIS_TOPIC_ENCRYPTED": f"encrypted.{name}",
        }
        options = [f"--{person}={folder / person}.pub" for person in PEOPLE[:2]]
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in common.items():
                patch.setenv(variable, value)
            for person in PEOPLE:
                assert main(["custodian", "new", "--out", str(folder / f"{person}.key")]) == 0
            options += [f"--recovery-key={folder / 'recovery.pub'}", "--out", str(keys)]
            assert main(["keys", "init", *options, "--kek-out", str(keys / "kek.key")]) == 0
        operator = common | {"AEGIS_AGENT_PUBLIC_KEY_FILE": str(keys / "agent-signing.pub")}
        agent = operator | {
            "AEGIS_AGENT_SIGNING_KEY_FILE": str(keys / "agent-signing.key"),
            "AEGIS_STATE_DIR": str(folder / "agent-state"),
            "AEGIS_MANIFEST_INTERVAL_S": "1",
            "AEGIS_WEB_PORT": "off",
        }
        return cls(folder, operator | {"AEGIS_STATE_DIR": str(folder / "state")}, agent)


@contextmanager
def running_agent(place: Place, *options: str) -> Iterator[None]:
    """Let the rotation agent of a deployment work in a process of its own; it must end in good order."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")} | place.agent
    log = place.folder / "agent.log"
    with log.open("ab") as file:
        command = [sys.executable, "-m", "aegis_stream", "run", "rotator", *options]
        begin = file.tell()
        process = subprocess.Popen(command, env=environ, stderr=file)
    try:
        deadline = time.monotonic() + 60
        while b'"started"' not in log.read_bytes()[begin:]:
            assert process.poll() is None, log.read_text()[-2_000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
        process.terminate()
        assert process.wait(timeout=30) == 0, log.read_text()[-2_000:]
    finally:
        process.kill()
        process.wait()

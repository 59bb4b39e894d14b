"""A deployment made for the demo: topics, keys and two processes, all taken away again."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import shlex
import sys
import time
import urllib.error
import urllib.request
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout, suppress
from typing import TYPE_CHECKING

from aegis_stream.cli import keys, topics
from aegis_stream.cli._demo.broker import free_port
from aegis_stream.cli._demo.processes import Child
from aegis_stream.client import connection_kwargs
from aegis_stream.client.topics import TopicNames
from aegis_stream.client.topics.remove import remove_topics
from aegis_stream.errors import BrokerReason, BrokerUnavailableError
from aegis_stream.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

PARTITIONS = 2
_READY_S = 60.0
_AEGIS = [sys.executable, "-m", "aegis_stream"]


class Deployment:
    """Names, folder and environment of one demo; every name has a random part, so nobody else's topic is touched."""

    def __init__(self, folder: Path, broker: str) -> None:
        """Choose names."""
        self.name = f"demo-{secrets.token_hex(3)}"
        self._folder = folder
        kafka = {name: value for name, value in os.environ.items() if name.startswith("AEGIS_KAFKA_")}
        topics = {
            f"AEGIS_TOPIC_{part}": f"{self.name}.{part.lower().replace('_', '-')}"
            for part in ("RAW", "ENCRYPTED", "DEAD_LETTER", "DEAD_LETTER_STATE", "CONTROL")
        }
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")},
            **kafka,
            **topics,
            "AEGIS_BROKER": broker,
            "AEGIS_DEPLOYMENT": self.name,
            "AEGIS_APPLICATION_ID": f"{self.name}-enricher",
            "AEGIS_READER_GROUP": f"{self.name}-reader",
            "AEGIS_STATE_DIR": str(folder / "state"),
            "AEGIS_WEB_PORT": "off",
        }

    def use_as(self, role: str) -> Settings:
        """Make this process's environment that of a role of `keys init`, and return its settings."""
        return _settings_of(self.environment_of(role))

    def make_topics(self) -> None:
        """Do what `aegis topics create` does.  Raises BrokerError."""
        _settings_of(self.environment)
        with redirect_stdout(io.StringIO()):
            topics.create(partitions=PARTITIONS)

    def make_keys(self) -> str:
        """Do what `aegis keys init` does and return the first line that it prints.  Raises BrokerError."""
        _settings_of(self.environment)
        folder = self._folder / "keys"
        with redirect_stdout(io.StringIO()) as told, redirect_stderr(io.StringIO()):
            keys.init(out=folder, kek_out=folder / "kek.key")
        return told.getvalue().partition("\n")[0]

    @asynccontextmanager
    async def processes(self) -> AsyncIterator[tuple[Child, Child, float]]:
        """Run rotator and enricher until the end; yields both, once events pass, and how long that took in seconds."""
        port = free_port()
        began = time.monotonic()
        with (
            self._child("rotator", self.environment_of("rotator")) as rotator,
            self._child("enricher", self.environment_of("enricher") | {"AEGIS_WEB_PORT": str(port)}) as enricher,
        ):
            await self._until_ready(port, rotator, enricher)
            yield rotator, enricher, time.monotonic() - began

    def remove_topics(self) -> None:
        """Take the topics away, where the broker stays; whatever fails here is left to the broker's operator."""
        settings = _settings_of(self.environment)
        with suppress(Exception):
            asyncio.run(remove_topics(connection_kwargs(settings), TopicNames.of(settings).by_role().values()))

    def environment_of(self, role: str) -> dict[str, str]:
        """Return the environment with the variables that `keys init` wrote for a role."""
        lines = (self._folder / "keys" / f"{role}.env").read_text().splitlines()
        pairs = (line.partition("=") for line in lines)
        return self.environment | {name: "".join(shlex.split(value)) for name, _, value in pairs}

    def _child(self, name: str, environment: Mapping[str, str]) -> Child:
        return Child(name, [*_AEGIS, "run", name], log=self._folder / f"{name}.log", environment=environment)

    async def _until_ready(self, port: int, *children: Child) -> None:
        """Wait until the enricher passes events.  Raises BrokerUnavailableError with the last words of who failed."""
        end = time.monotonic() + _READY_S
        while time.monotonic() < end:
            for child in children:
                if not child.running:
                    raise BrokerUnavailableError(
                        BrokerReason.UNREACHABLE, f"the demo's {child.name} ended: {child.last_words()}"
                    )
            if await asyncio.to_thread(_is_ready, port):
                return
            await asyncio.sleep(0.05)
        raise BrokerUnavailableError(
            BrokerReason.TIMEOUT, f"the demo's enricher did not become ready: {children[-1].last_words()}"
        )


def _settings_of(environment: Mapping[str, str]) -> Settings:
    """Take an environment as this process's own; `aegis demo` puts the old one back in the end."""
    os.environ.clear()
    os.environ.update(environment)
    return load_settings()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError):
        return False

"""The services of docker-compose.yml without an engine: their commands and health checks as they stand.

What a container has under /keys and /state lies in a folder instead, the broker is the tests' own, and ports are free
ones.  All else is the file's.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.support.deployment_files import documents

if TYPE_CHECKING:
    from collections.abc import Mapping

BIN = Path(sys.executable).parent
DEADLINE_S = 60.0
COMMAND_S = 60


class ComposeRun:
    """Services of the file; a context manager that ends what it started."""

    def __init__(
        self, *, bootstrap: str, folder: Path, environment: Mapping[str, str], ports: Mapping[str, int]
    ) -> None:
        """`environment` sets this run apart from others on the broker; `ports` are those in place of the file's."""
        self._services: dict[str, Any] = documents("docker-compose.yml")[0]["services"]
        self._folder = folder
        self._environment = environment
        self._replaced = {"kafka:9092": bootstrap, **{name: str(port) for name, port in ports.items()}}
        self._started: list[subprocess.Popen[bytes]] = []
        (folder / "keys").mkdir()
        (folder / "state").mkdir()

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started."""
        for process in self._started:
            process.terminate()
        for process in self._started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def text(self, text: str) -> str:
        """Return a text of the file as it is on this machine."""
        for there, here in self._replaced.items():
            text = text.replace(there, here)
        for place in ("/keys", "/state"):
            if text == place or place + "/" in text or place + " " in text:
                text = text.replace(place, str(self._folder / place[1:]))
        return text.replace("$$", "$")

    def command(self, service: str) -> list[str]:
        """Return what a service's container runs."""
        found = self._services[service]
        return [*found.get("entrypoint", ["aegis"]), *(self.text(word) for word in found["command"])]

    def environment(self, service: str) -> dict[str, str]:
        """Return what a service's process is told."""
        found = self._services[service]
        given = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        given["PATH"] = f"{BIN}:{given['PATH']}"
        for one in found.get("env_file", []):
            for line in (self._folder / one["path"]).read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                given[name] = shlex.split(value)[0] if value else ""
        for name, value in found.get("environment", {}).items():
            given[name] = (
                self.text(value).replace("/state", f"/state/{service}")
                if name == "AEGIS_STATE_DIR"
                else self.text(value)
            )
        return {**given, **self._environment}

    def start(self, service: str, **changed: str) -> None:
        """Start a service; `changed` are further variables."""
        with (self._folder / f"{service}.log").open("wb") as log:
            self._started.append(
                subprocess.Popen(
                    self.command(service), env={**self.environment(service), **changed}, stdout=log, stderr=log
                )
            )

    def run(self, service: str, words: list[str] | None = None, *, timeout_s: float = COMMAND_S) -> str:
        """Run a service's command, or these words of its program, to its end; return what it printed."""
        command = self.command(service) if words is None else ["aegis", *words]
        done = subprocess.run(
            command, env=self.environment(service), capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_healthy(self, service: str) -> bool:
        """Run a service's health check once."""
        test = self._services[service]["healthcheck"]["test"]
        words = ["sh", "-c", test] if isinstance(test, str) else test[1:]
        command = [self.text(word).replace("/state", f"/state/{service}") for word in words]
        done = subprocess.run(
            command, env=self.environment(service), capture_output=True, timeout=COMMAND_S, check=False
        )
        return done.returncode == 0

    def until_healthy(self, service: str) -> None:
        """Wait for a service's health check to pass."""
        until = time.monotonic() + DEADLINE_S
        while not self.is_healthy(service):
            assert time.monotonic() < until, (self._folder / f"{service}.log").read_text(encoding="utf-8")
            time.sleep(0.2)

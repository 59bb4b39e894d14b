"""`aegis run enricher` as a process of its own, for tests that kill it and read everything it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Self

from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from aegis_stream.cli import main; sys.exit(main())", "run", "enricher"]
READY_S = 40
STOP_S = 20


class EnricherProcess:
    """One enricher; a context manager that kills what is left of it."""

    def __init__(self, environment: Mapping[str, str], *, log: Path) -> None:
        """Start nothing; `log` takes what it writes to standard output and error."""
        (self.port,) = free_ports(1)
        self._environment = {**environment, "AEGIS_WEB_PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Kill it where it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def start(self) -> Self:
        """Start, also again."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                COMMAND, env={**inherited, **self._environment}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        return self

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None
        return self._process

    def until_ready(self) -> Self:
        """Wait until it says that events pass; fails with its log where it ends or takes too long."""
        self.until(lambda: self.get("/ready")[0] == 200)
        return self

    def until(self, reached: Any, *, timeout_s: float = READY_S) -> None:  # noqa: ANN401 - any question
        """Wait until `reached()` is true while the process lives."""
        end = time.monotonic() + timeout_s
        while not reached():
            assert self.running.poll() is None, f"ended with {self.running.returncode}: {self.said()[-4000:]}"
            assert time.monotonic() < end, self.said()[-4000:]
            time.sleep(0.05)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a page; status 0 where nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (OSError, TimeoutError):
            return 0, b""

    def facts(self, path: str) -> dict[str, Any]:
        """Return the body of /health or /ready."""
        facts: dict[str, Any] = json.loads(self.get(path)[1])
        return facts

    def kill(self) -> None:
        """End it as a crash would."""
        self.running.send_signal(signal.SIGKILL)
        self.running.wait()

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(STOP_S)

    def ended(self, *, timeout_s: float = READY_S) -> int:
        """Wait until it ends by itself and return its exit code."""
        return self.running.wait(timeout_s)

    def said(self) -> str:
        """Return everything it wrote."""
        return self.log.read_text(errors="replace")

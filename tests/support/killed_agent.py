"""Rotation agents that die by SIGKILL at the n-th point of one change, as many as a test wants.

One process imports everything once and forks an agent for each life.  `python -m tests.support.killed_agent` reads one
JSON line a life, {"environment": …, "at": n, "what": …}, and answers with one, {"signal": …} or {"code": …}.

A point lies between any two things that leave the process: before and after each store of the state file, between its
new content and its new name, and after each record once the broker has it.  (After the commit the state file is next.)
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiokafka import AIOKafkaProducer

from aegis_stream.keyring.state_file import StateFile
from aegis_stream.settings import load_settings
from topologies.ledger import Ledger
from topologies.rotate_deks import run_rotator
from topologies.rotation_agent import RotationAgent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

ROOT = Path(__file__).parent.parent.parent
SURVIVED = 99
"""Exit code of a life whose change was over before its n-th point."""

SERVE, FRESH, HEAL = "serve", "fresh", "heal"
LIFE_S = 40


class Points:
    """Counts what leaves the process, once armed, and dies at the chosen number."""

    def __init__(self, at: int) -> None:
        """Die at the `at`-th point."""
        self._at = at
        self.passed = 0
        self.armed = False

    def pass_one(self) -> None:
        """Be at a point."""
        if self.armed:
            self.passed += 1
            if self.passed == self._at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a point before and after it."""

        def around(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
            self.pass_one()
            value = real(*args, **kwargs)
            self.pass_one()
            return value

        return around

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with a point before it."""

        def before(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
            self.pass_one()
            return real(*args, **kwargs)

        return before

    def after_delivery(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return a `send` with a point after it, once the broker has the record."""

        async def send(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
            sent = await real(*args, **kwargs)
            if self.armed:
                await asyncio.wait([sent])
            self.pass_one()
            return sent

        return send

    def during(self, real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return a coroutine function that is the change; the process ends with it if it did anything."""

        async def during(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - passed on
            self.armed = True
            value = await real(*args, **kwargs)
            if self.passed:
                os._exit(SURVIVED)
            return value

        return during


def live(environment: Mapping[str, str], at: int, what: str) -> int:
    """Be an agent; this process is a fork and never returns to what it came from."""
    os.environ.update(environment)
    points = Points(at)
    StateFile.store = points.around(StateFile.store)  # type: ignore[method-assign]
    Path.replace = points.before(Path.replace)  # type: ignore[method-assign]
    AIOKafkaProducer.send = points.after_delivery(AIOKafkaProducer.send)
    if what == FRESH:
        Ledger.publish = points.during(Ledger.publish)  # type: ignore[method-assign]
    elif what == HEAL:
        Ledger.heal = points.during(Ledger.heal)  # type: ignore[method-assign]
    else:
        RotationAgent._serve = points.during(RotationAgent._serve)  # type: ignore[method-assign]
    signal.alarm(LIFE_S)  # where nothing comes of it
    return run_rotator(load_settings())


def main() -> None:
    """Fork one life for each line."""
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            os.close(0)
            try:
                os._exit(live(job["environment"], job["at"], job["what"]))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        answer = {"signal": os.WTERMSIG(status)} if os.WIFSIGNALED(status) else {"code": os.WEXITSTATUS(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


class KilledAgents:
    """The process that forks them; an async context manager."""

    def __init__(self, log: Path) -> None:
        """`log` takes what they say."""
        self._log = log

    async def __aenter__(self) -> Self:
        """Start."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.support.killed_agent",
                cwd=ROOT,
                env=inherited,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def killed(self, environment: Mapping[str, str], *, at: int, what: str = SERVE) -> bool:
        """Let one live; True if it died at its `at`-th point, False if its change was over before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"environment": dict(environment), "at": at, "what": what}
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        await self._process.stdin.drain()
        answer = json.loads(await asyncio.wait_for(self._process.stdout.readline(), LIFE_S + 10))
        assert answer in ({"signal": signal.SIGKILL}, {"code": SURVIVED}), (answer, self._log.read_text()[-3000:])
        return "signal" in answer


if __name__ == "__main__":
    main()

"""`aegis kek rewrap` killed by SIGKILL after each record that it publishes: run again, it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aegis_stream.hybrid import HybridKEM
from aegis_stream.secret_files import write_secret_file
from aegis_stream.wire import b64decode, b64encode, kek_id
from tests.support.command_line import CommandLine
from tests.support.operators import Operators, Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]

ROOT = Path(__file__).parents[2]
RECORDS = 3  # two DEKs' wraps, and the command that names them


@pytest.fixture
def operators(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Iterator[Operators]:
    """Let commands be typed in a deployment with two DEKs whose agent runs, where both KEKs may be together."""
    place = Place.make(kafka, tmp_path, f"rewrap-{os.getpid()}-{time.time_ns()}")
    operators = Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)
    pair = HybridKEM.generate_keypair()
    write_secret_file(tmp_path / "next.key", b64encode(pair.private))
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC_FILE", str(tmp_path / "keys" / "kek.pub"))
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE_FILE", str(tmp_path / "keys" / "kek.key"))
    monkeypatch.setenv("AEGIS_NEXT_MASTER_KEK_PUBLIC", b64encode(pair.public))
    monkeypatch.setenv("AEGIS_NEXT_MASTER_KEK_PRIVATE_FILE", str(tmp_path / "next.key"))
    with running_agent(place):
        operators.ask("rotate", by="risk-lead")
        yield operators


def killed(operators: Operators, number: int) -> int:
    """Run a rewrap that dies with its n-th record; returns how the process ended."""
    words = ["kek", "rewrap", "--key", str(operators.key("risk-lead")), "--yes"]
    command = [sys.executable, "-m", "tests.support.killed_command", str(number), *words]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=60).returncode


def test_rewrap_that_was_killed_anywhere_is_run_again(operators: Operators) -> None:
    """Until both have signed a whole one nothing changes, and then every DEK opens under either KEK."""
    before = operators.see().manifest
    for number in range(1, RECORDS + 1):
        assert killed(operators, number) == -signal.SIGKILL
        assert operators.see().manifest.substance() == before.substance()
    assert killed(operators, RECORDS + 1) == 0
    assert operators.see().manifest.substance() == before.substance()
    assert operators.both("kek", "rewrap")["state"] == "executed"
    manifest = operators.see().manifest
    old, new = before.current_kek.id, kek_id(b64decode(os.environ["AEGIS_NEXT_MASTER_KEK_PUBLIC"]))
    assert [(entry.id, entry.state.value) for entry in manifest.keks] == [(old, "grace"), (new, "current")]
    opened = operators.aegis("kek", "retire", old, "--dry-run")
    assert (opened.code, "every DEK opens under a KEK that stays" in opened.err) == (0, True)
    for standing in operators.see().standings.values():  # what a killed run has published whole is no harm either
        if standing.result is None:
            ended = operators.aegis(
                "control", "approve", standing.case.id, "--key", operators.key("security-lead"), "--yes"
            )
            assert ended.code in {0, 1}, ended
    assert operators.both("kek", "retire", old)["state"] == "executed"
    again = operators.aegis("kek", "rewrap", "--yes", "--key", operators.key("risk-lead"))
    assert "nothing to do" in again.err

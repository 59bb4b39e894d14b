"""Prometheus' own checker on deploy/prometheus: the files are sound, and the examples of every alert hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
TAKEN_OUT = ROOT / ".cache" / "prometheus" / "usr" / "bin" / "promtool"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", "--lint-fatal", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    """What it refuses, Prometheus would not start with; what it evaluates is how alerts behave."""
    promtool = shutil.which("promtool") or str(TAKEN_OUT)
    assert Path(promtool).exists(), "there is no promtool: `make e2e` brings it where it may"
    done = subprocess.run(
        [promtool, *arguments], cwd=ROOT / "deploy" / "prometheus", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

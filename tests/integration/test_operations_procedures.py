"""docs/operations.md, "Procedures": every line runs as it stands, on a real Kafka with a running agent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.keyring.entries import DekState, KeyState
from tests.support.command_line import CommandLine
from tests.support.operators import Operators, Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]  # the longest of all: with the long trials, outside `make test`

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
CHAPTER = PAGE[PAGE.index("## Procedures") : PAGE.index("## A custodian's key is old, lost or stolen")]
LINES = re.findall(r"^ {4}\$ (.+)$", CHAPTER, re.MULTILINE)


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Make a deployment whose agent runs."""
    made = Place.make(kafka, tmp_path_factory.mktemp("procedures"), f"procedures-{os.getpid()}-{time.time_ns()}")
    with running_agent(made):
        yield made


@pytest.mark.timeout(300)
def test_procedures_run_as_they_stand(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """A procedure that fails in an emergency is worse than none."""
    assert len(LINES) > 20
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    environ |= {
        "PATH": str(Path(sys.executable).parent) + os.pathsep + environ["PATH"],
        "AEGIS_STATE_DIR": str(place.folder / "state"),
        # `keys init` names the control topic in operator.env; topics of other names are the deployment's own settings
        "AEGIS_TOPIC_ENCRYPTED": place.operator["AEGIS_TOPIC_ENCRYPTED"],
    }
    script = "set -euo pipefail\n" + "\n".join(LINES)
    ended = subprocess.run(
        ["/bin/bash", "-x", "-c", script], cwd=place.folder, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-4_000:]

    operators = Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)
    manifest, standings = operators.see()
    assert {standing.result.outcome.value for standing in standings.values() if standing.result} == {"executed"}
    assert len(manifest.keks) == 1
    assert [entry.state for entry in manifest.deks] == [DekState.DESTROYED, DekState.DECRYPT_ONLY, DekState.ACTIVE]
    assert [entry.state for entry in manifest.custodians].count(KeyState.REVOKED) == 2
    assert orjson.loads((place.folder / "overrides.json").read_bytes())["decisions"] == []
    assert (place.folder / "keyring.json").exists()

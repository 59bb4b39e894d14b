"""docs/operations.md: its commands run as they stand, in their order, and its tables agree with the code."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from aegis_stream.control.kinds import CommandKind, Signing
from aegis_stream.custodian import BIP322Provider, OverrideRequest
from aegis_stream.wire import b64decode
from tests.support.control_examples import EXAMPLES

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
COMMANDS = re.findall(r"^ {4}\$ (.+)$", PAGE[: PAGE.index("## Procedures")], re.MULTILINE)
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the page's commands once, with `aegis` as it is installed."""
    folder = tmp_path_factory.mktemp("operations")
    bin_folder = str(Path(sys.executable).parent)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")}
    environment["PATH"] = bin_folder + os.pathsep + environment["PATH"]
    for command in COMMANDS:
        ended = subprocess.run(
            ["/bin/bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, (command, ended.stderr)
    return folder


def test_commands_of_the_page_run_as_they_stand(folder: Path) -> None:
    """They make what the page says: three keypairs, and two signatures over one request."""
    assert len(COMMANDS) == 7
    names = {path.name for path in folder.iterdir()}
    assert {"risk-lead.key", "risk-lead.pub", "security-lead.pub", "recovery.pub", "risk.sig"} <= names
    request = OverrideRequest.from_event(json.loads((folder / "override.json").read_text()))
    for who, name in (("risk-lead", "risk"), ("security-lead", "security")):
        public = b64decode((folder / f"{who}.pub").read_text().strip())
        signature = b64decode((folder / f"{name}.sig").read_text().strip())
        assert BIP322Provider().verify(public, request.message_hash(), signature)


def test_python_of_the_page_runs_as_it_stands(folder: Path) -> None:
    """And verifies what the commands have signed."""
    event = json.loads((folder / "override.json").read_text())
    signatures = [(folder / f"{name}.sig").read_text().strip() for name in ("risk", "security")]
    event["risk_lead_signature"], event["security_lead_signature"] = signatures
    event["combined_hash"] = hashlib.sha256(b"".join(b64decode(text) for text in signatures)).hexdigest()
    names: dict[str, object] = {
        "event": event,
        "risk_public": b64decode((folder / "risk-lead.pub").read_text().strip()),
        "security_public": b64decode((folder / "security-lead.pub").read_text().strip()),
    }
    (block,) = PYTHON
    exec(compile(block, "operations.md", "exec"), names)  # noqa: S102 - the page's own example
    assert names["verdict"].verified  # type: ignore[attr-defined]
    marked = names["marked"]
    assert isinstance(marked, dict)
    assert marked["override_verification"] == {"verified": True}


def test_table_of_commands_agrees_with_the_code() -> None:
    """A kind that is missing, or that needs other signatures than the page says, is a lie to custodians."""
    rules = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5:
            rules |= dict.fromkeys(re.findall(r"`([a-z-]+)`", cells[1]), cells[2])
    assert set(rules) == {kind.value for kind in CommandKind}
    first_words = {
        Signing.ONE: ("one custodian",),
        Signing.BOTH: ("both",),
        Signing.REPLACEMENT: ("the other", "both; where"),
    }
    for example in EXAMPLES:
        assert rules[example.kind.value].startswith(first_words[example.signing])

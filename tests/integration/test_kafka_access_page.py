"""docs/kafka-access.md as it stands, on a broker with TLS, SCRAM users and an authorizer."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aegis_stream.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.kafka import KafkaServer

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).parents[2] / "docs" / "kafka-access.md").read_text("utf-8")
INI, MUTUAL = (
    dict(line.split("=", 1) for line in block.splitlines())
    for block in re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
)
COMMANDS = [line.removeprefix("$ ").split() for line in PAGE.splitlines() if line.startswith("$ ")]


def test_the_page_runs_on_a_secure_broker(
    kafka_secure: KafkaServer,
    topic_name: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its variables, with this broker's values in them, are all that a command needs."""
    security = kafka_secure.security
    (tmp_path / "password").write_text(security.users["admin"])
    (tmp_path / "password").chmod(0o600)
    ours = {
        "AEGIS_BROKER": security.bootstrap,
        "AEGIS_KAFKA_SASL_USERNAME": "admin",
        "AEGIS_KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "password"),
        "AEGIS_KAFKA_SSL_CAFILE": str(security.ca_path),
    }
    assert set(ours) < set(INI)
    for name, value in {**INI, **ours}.items():
        monkeypatch.setenv(name, value)
    for role in ("raw", "encrypted", "dead_letter", "dead_letter_state", "control"):
        monkeypatch.setenv(f"AEGIS_TOPIC_{role.upper()}", topic_name(role))
    assert len(COMMANDS) == 4
    for program, *arguments in COMMANDS:
        assert program == "aegis"
        assert main(arguments) == 0, arguments
    shown = capsys.readouterr().out
    assert f"created {os.environ['AEGIS_TOPIC_ENCRYPTED']} " in shown
    assert "--allow-principal User:enricher" in shown
    rights = json.loads(shown[shown.index("\n{") :])
    assert "team-a" in json.dumps(rights)


def test_mutual_tls_is_told_by_variables_that_exist() -> None:
    """What they do is tested with the clients; a misspelt name here would be ignored in silence."""
    names = {
        line.split("`")[1]
        for line in (Path(__file__).parents[2] / "docs/settings.md").read_text().splitlines()
        if line.startswith("| `AEGIS_")
    }
    assert set(MUTUAL) <= names
    assert {name.removesuffix("_FILE") for name in INI} <= names | {name.removesuffix("_FILE") for name in names}

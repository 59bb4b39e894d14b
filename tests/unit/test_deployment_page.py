"""docs/deployment.md against the files that it describes, and the files' secrets against the program."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from aegis_stream.cli import main
from aegis_stream.dashboard.access import check_token
from aegis_stream.errors import AegisError
from aegis_stream.settings import load_settings
from tests.support.deployment_files import ROOT, documents, pages

if TYPE_CHECKING:
    from pathlib import Path

PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`aegis ([^`]+)`", PAGE)))


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_is_one(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the options that the page gives it."""
    assert main([*shlex.split(words), "--help"]) == 0
    assert "Usage: aegis" in capsys.readouterr().out


def test_the_page_names_every_service_of_compose() -> None:
    """The table is what people look at when one of them is not healthy."""
    (compose,) = documents("docker-compose.yml")
    cells = re.findall(r"^\| ([a-z0-9, -]+) \| [^|]+ \| [^|]+ \|[^|]*\|$", PAGE, re.MULTILINE)
    told = {name for cell in cells for name in cell.split(", ")}
    assert told - {"service"} == set(compose["services"]) - {"init"}
    assert "docker compose run --rm init" in PAGE


def test_the_page_names_every_file_of_kubernetes() -> None:
    """And its numbers are theirs."""
    named = set(re.findall(r"\b([a-z-]+\.yaml)\b", PAGE))
    there = {path.name for path in (ROOT / "deploy" / "kubernetes").glob("*.yaml")}
    assert named == there - {"kustomization.yaml", "namespace.yaml"}
    scaler = documents("deploy/kubernetes/enricher.yaml")[2]["spec"]
    assert f"above {int(scaler['metrics'][0]['pods']['target']['averageValue']):,} records" in PAGE
    assert set(re.findall(r"^\| \w+ \| (/\w+) \|", PAGE, re.MULTILINE)) <= pages()


@pytest.mark.parametrize(
    ("variable", "file"),
    [
        ("AEGIS_SESSION_SIGNING_KEY_FILE", "session-signing.key"),
        ("AEGIS_PSEUDONYM_KEY_FILE", "pseudonym.key"),
        ("AEGIS_AGENT_SIGNING_KEY_FILE", "agent-signing.key"),
        ("AEGIS_AGENT_PUBLIC_KEY_FILE", "agent-signing.pub"),
    ],
)
def test_a_process_refuses_what_stands_in_the_manifests(
    variable: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever applies them as they are must be told, not run with a key that all the world knows."""
    path = tmp_path / file
    path.write_text("REPLACE")
    path.chmod(0o600)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(AegisError, match=variable.removesuffix("_FILE")):
        load_settings()


def test_the_operators_page_refuses_what_stands_in_the_manifests() -> None:
    """A token of seven letters is one that somebody guesses."""
    with pytest.raises(AegisError, match="AEGIS_DASHBOARD_TOKEN"):
        check_token("REPLACE", host="0.0.0.0")  # noqa: S104 - as in the pod

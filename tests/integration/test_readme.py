"""README.md: its session runs as it stands on a real Kafka, its examples run, its tables agree with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from aegis_stream.cli import app
from aegis_stream.pii import PII_FIELDS
from aegis_stream.settings import reference
from tests.support.page_session import environment, run_session, steps
from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.kafka
def test_the_session_runs_as_it_stands(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> None:
    """Every command succeeds, and every line that is shown was printed; ids and dates are another day's."""
    prefix = topic_name("readme").replace(".", "-")
    (port,) = free_ports(1)
    variables = environment(kafka, prefix, tmp_path, AEGIS_WEB_PORT=str(port))
    run_session(steps(README), variables=variables, folder=tmp_path, prefix=prefix)


def test_the_library_example_runs_as_it_stands() -> None:
    """The first thing that a library user copies."""
    exec(compile(PYTHON[0], "README.md", "exec"), {})  # noqa: S102 - the page's own example


def test_the_readers_example_is_python_of_today() -> None:
    """Its names can be imported."""
    names: dict[str, object] = {}
    exec(compile(PYTHON[1], "README.md", "exec"), names)  # noqa: S102 - the page's own example
    assert callable(names["read"])


def test_the_twelve_fields_are_the_codes() -> None:
    """The table that people decide by."""
    rows = re.findall(r"^\| `(\w+)` \| (critical|high|medium) \|$", README, re.MULTILINE)

    assert dict(rows) == dict(PII_FIELDS)


def test_every_command_and_variable_that_is_named_exists() -> None:
    """A name that was changed must change here too."""
    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]  # typer's own group
    for name, below in re.findall(r"`aegis ([a-z-]+)(?: ([a-z-]+)\b)?", README):
        assert name in commands, name
        inner = getattr(commands[name], "commands", None)
        assert inner is None or not below or below in inner, (name, below)
    known = {variable.name for variable in reference.variables()}
    for name in set(re.findall(r"`(AEGIS_[A-Z_]+)", README)):
        assert name in known or (name.endswith("_") and any(one.startswith(name) for one in known)), name


def test_every_page_that_is_linked_exists() -> None:
    """Links rot first."""
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_make_target_that_is_named_exists() -> None:
    """The two commands that everybody tries."""
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"(?:^ {4}|`)make ([a-z]+)\b", README, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target

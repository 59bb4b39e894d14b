"""README.md: its session runs as it stands on a real Kafka, its examples run, its tables agree with the code."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from aegis_stream.cli import app
from aegis_stream.pii import PII_FIELDS
from aegis_stream.settings import reference
from tools.kafka.ports import free_ports

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SESSION = "".join(re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
VOLATILE = re.compile(r"kek-[0-9a-f]{16}|-20[0-9]{6}\b")
END = "==== end of a command ===="


def steps() -> list[tuple[str, str]]:
    """Return each command with what the page shows of its output."""
    parts = re.split(r"^\$ (.*)\n", SESSION, flags=re.MULTILINE)[1:]
    return list(zip(parts[0::2], parts[1::2], strict=True))


@pytest.mark.kafka
def test_the_session_runs_as_it_stands(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> None:
    """Every command succeeds, and every line that is shown was printed; ids and dates are another day's."""
    prefix = topic_name("readme").replace(".", "-")
    topics = ("raw", "encrypted", "dead-letter", "dead-letter-state", "control")
    (port,) = free_ports(1)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")},
        **{f"AEGIS_TOPIC_{topic.upper().replace('-', '_')}": f"{prefix}.{topic}" for topic in topics},
        "AEGIS_APPLICATION_ID": prefix[:90],
        "AEGIS_READER_GROUP": f"r-{prefix}"[:90],
        "AEGIS_BROKER": kafka,
        "AEGIS_WEB_PORT": str(port),
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    commands = [command for command, _ in steps()]
    script = "exec 2>&1\n" + "".join(f"{command}\necho '{END}' $?\n" for command in commands)
    with subprocess.Popen(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        text = ""
        while text.count(END) < len(commands):
            line = shell.stdout.readline()
            assert line, text
            text += line
        os.killpg(shell.pid, signal.SIGTERM)  # the two processes in the background

    outputs = re.split(rf"{END} (\d+)\n", text)
    assert outputs[1::2] == ["0"] * len(commands), text
    for (command, shown), printed in zip(steps(), outputs[0::2], strict=False):
        real = [VOLATILE.sub("#", line.replace(prefix, "aegis")).rstrip() for line in printed.splitlines()]
        for line in shown.splitlines():
            assert line == "…" or VOLATILE.sub("#", line).rstrip() in real, (command, line, printed)
        if "…" not in shown:
            assert len(real) == len(shown.splitlines()), (command, printed)


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
    for name, below in re.findall(r"`aegis ([a-z]+)(?: ([a-z]+)\b)?", README):
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

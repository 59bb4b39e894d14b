"""The project as its users meet it: public names, help, and the parts that depend on each other."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import typer

import aegis_stream
from aegis_stream.cli import app, main

ROOT = Path(__file__).resolve().parents[2]


def packages() -> list[str]:
    """Return the names of aegis_stream and the packages in it."""
    found = pkgutil.walk_packages(aegis_stream.__path__, "aegis_stream.")
    return ["aegis_stream", *(module.name for module in found if module.ispkg)]


def commands() -> list[tuple[str, ...]]:
    """Return the words of every command, groups among them."""

    def walk(command: object, words: tuple[str, ...]) -> list[tuple[str, ...]]:
        below = getattr(command, "commands", {})
        return [words, *(found for name, each in below.items() for found in walk(each, (*words, name)))]

    return walk(typer.main.get_command(app), ())


@pytest.mark.parametrize("name", packages())
def test_public_names_are_exactly_all(name: str) -> None:
    """What can be reached by accident gets used, and then cannot be changed."""
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(set(public)) == len(public)
    assert [each for each in public if not hasattr(module, each)] == []
    own = {
        each
        for each, value in vars(module).items()
        if not each.startswith("_")
        and not isinstance(value, ModuleType)
        and getattr(value, "__module__", "aegis_stream").startswith("aegis_stream")
    }
    assert own - {"TYPE_CHECKING"} <= set(public)


def test_the_library_imports_neither_faust_nor_a_vendor() -> None:
    """A library user pays for no stream processor and needs no extra."""
    script = "import sys, aegis_stream; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "aegis_stream" in loaded
    assert not loaded & {"faust", "mode", "aiokafka", "boto3", "botocore", "pkcs11", "noida_db", "topologies"}


def test_every_dependency_says_why_it_is_there() -> None:
    """A package that nobody can justify is one more way in."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[\[>=;]", each)[0] for each in wanted} - {"aegis-stream"}
    first_cells = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    told = {re.split(r"[\[ (]", name)[0] for cell in first_cells for name in cell.split(", ")}
    assert sorted(names - told) == []


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(("aegis", *words)))
def test_every_command_has_help(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that cannot explain itself is not finished."""
    assert main([*words, "--help"]) == 0
    assert "Usage: aegis" in capsys.readouterr().out


@pytest.mark.parametrize("words", [words for words in commands() if words], ids=" ".join)
def test_every_command_shows_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """People read the example first, so it must be there; a group of commands leaves that to them."""
    main([*words, "--help"])
    said = capsys.readouterr().out
    assert "Example: " in said or "Commands" in said

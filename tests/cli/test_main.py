"""What holds for every command: help, version, exit codes, what goes where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest
import typer

from aegis_stream.cli import app
from aegis_stream.cli._exit import exit_code, run
from aegis_stream.errors import (
    AegisError,
    BrokerError,
    BrokerReason,
    ConfigurationError,
    KEKError,
    KEKReason,
    KEKUnavailableError,
    KeyReason,
    KeyRefusedError,
    KeyringStaleError,
    PolicyError,
)
from aegis_stream.settings import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.command_line import CommandLine

ROOT = Path(__file__).parents[2]


def commands(group: object, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of every command."""
    below = getattr(group, "commands", None)
    if below is None:
        yield path
        return
    for name, command in below.items():
        yield from commands(command, *path, name)


ALL_COMMANDS = sorted(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(aegis: CommandLine, path: tuple[str, ...]) -> None:
    """An example is what most people look for."""
    ended = aegis(*path, "--help")

    assert (ended.code, ended.err) == (0, "")
    assert b"Example" in ended.out
    assert b"aegis " + " ".join(path).encode() in ended.out


def test_version_is_the_packages(aegis: CommandLine) -> None:
    """Bug reports begin with it."""
    assert re.fullmatch(rb"aegis \d+\.\d+\.\d+\n", aegis("--version").out)


def test_a_bare_command_shows_help_and_is_a_usage_error(aegis: CommandLine) -> None:
    """Scripts notice, people see what there is."""
    ended = aegis()

    assert (ended.code, ended.err) == (2, "")
    assert b"Usage: aegis" in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["encrpyt"], "aegis: error: No such command 'encrpyt'. Did you mean 'encrypt'"),
        (["encrypt", "--sideways"], "aegis: error: No such option: --sideways"),
        (["produce", "--generate", "0"], "aegis: error: Invalid value for '--generate'"),
    ],
)
def test_a_wrong_command_line_says_where_its_help_is(aegis: CommandLine, arguments: list[str], told: str) -> None:
    """In the same two-line form as every other error."""
    ended = aegis(*arguments)

    assert (ended.code, ended.out) == (2, b"")
    assert ended.err.startswith(told)
    assert re.search(r"aegis: hint: `aegis.* --help`", ended.err)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AegisError("x"), 1),
        (KeyRefusedError(KeyReason.LENGTH, "x"), 1),
        (ConfigurationError("x"), 2),
        (PolicyError("x"), 2),
        (KEKError(KEKReason.NOT_CONFIGURED, "x"), 2),
        (KEKError(KEKReason.FORBIDDEN, "x"), 2),
        (KEKError(KEKReason.DENIED, "x"), 3),
        (KEKUnavailableError(KEKReason.UNAVAILABLE, "x"), 3),
        (BrokerError(BrokerReason.TOPIC_MISSING, "x"), 3),
        (KeyringStaleError("x"), 3),
    ],
)
def test_exit_codes_tell_kinds_of_failure_apart(error: AegisError, code: int) -> None:
    """A script tries again after 3, calls somebody after 2, looks at its input after 1."""
    assert exit_code(error) == code


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    """Turning it into a short message would hide where it is."""
    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(broken, [])


def test_an_interrupted_command_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    """As shells expect after Ctrl-C."""
    broken = typer.Typer(pretty_exceptions_enable=False)

    @broken.command()
    def command() -> None:
        raise KeyboardInterrupt

    assert run(broken, []) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_settings_show_what_is_set_and_no_secret(aegis: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the first thing to send to somebody who is to help."""
    monkeypatch.setenv("AEGIS_BROKER", "kafka.example:9092")
    monkeypatch.setenv("AEGIS_HSM_PIN", "canary-pin")
    monkeypatch.setenv("AEGIS_PSEUDONYM_KEY_FILE", "/run/secrets/pseudonym")
    monkeypatch.setenv("AEGIS_STICT", "1")
    ended = aegis("settings", "--json")
    rows = {row["name"]: row["value"] for row in orjson.loads(ended.out)}

    assert rows["AEGIS_BROKER"] == "kafka.example:9092"
    assert (rows["AEGIS_HSM_PIN"], rows["AEGIS_PSEUDONYM_KEY"]) == ("(set)", "(from a file)")
    assert "aegis: hint: AEGIS_STICT is no setting; AEGIS_STRICT is" in ended.err
    for output in (ended.out, aegis("settings").out, aegis("settings", "--markdown").out):
        assert b"canary" not in output


def test_the_table_of_the_documentation_is_the_models(aegis: CommandLine) -> None:
    """Nobody would notice a variable that is missing there."""
    table = aegis("settings", "--markdown").out.decode()

    assert table == reference.markdown_table()
    assert table in (ROOT / "docs" / "settings.md").read_text()

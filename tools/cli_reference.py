"""Writes docs/cli.md, the tree of `aegis --help`, from the commands themselves: `python -m tools.cli_reference`.

A test says when the page is behind the code.
"""

from __future__ import annotations

import enum
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from aegis_stream.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = """# The `aegis` command

Made from the commands themselves by `python -m tools.cli_reference`. Results go to standard output, everything else to
standard error; exit codes are those of each command, and in general 0 done, 1 something was refused, 2 usage or
configuration, 3 Kafka or the KEK's keeper is away.

"""


def page() -> str:
    """Return the whole page."""
    root: Any = typer.main.get_command(app)
    commands = list(_walk(root, ("aegis",)))
    tree = "\n".join(_branch(command, words) for command, words in commands)
    parts = [HEAD, "```text\n", tree, "\n```\n"]
    parts += [_entry(command, words) for command, words in commands[1:]]
    return "".join(parts)


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[Any, tuple[str, ...]]]:  # noqa: ANN401 - typer's own
    yield command, words
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _walk(below, (*words, name))


def _branch(command: Any, words: tuple[str, ...]) -> str:  # noqa: ANN401 - typer's own
    name = "  " * (len(words) - 1) + words[-1]
    return f"{name:<24}{_summary(command)}"


def _summary(command: Any) -> str:  # noqa: ANN401 - typer's own
    """Return the first sentence of a command's help."""
    text = " ".join(_text(command).split("\n\n")[0].split())
    return re.split(r"(?<=[.;:]) ", text)[0].rstrip(".;:")


def _entry(command: Any, words: tuple[str, ...]) -> str:  # noqa: ANN401 - typer's own
    name = " ".join(words)
    if hasattr(command, "commands"):
        return f"\n## {name}\n\n{_paragraphs(_text(command))}\n"
    level = "##" if len(words) == 2 else "###"  # noqa: PLR2004 - `aegis` and one word
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *(_metavar(each) for each in arguments)])
    rows = [*((_metavar(each), each) for each in arguments), *((_option(each), each) for each in options)]
    table = "".join(f"| `{shown}` | {_help(each)} |\n" for shown, each in rows)
    head = "\n| argument or option | meaning |\n|---|---|\n" if rows else ""
    return f"\n{level} {name}\n\n{_paragraphs(_text(command))}\n\n```text\n{usage}\n```\n{head}{table}"


def _text(command: Any) -> str:  # noqa: ANN401 - typer's own
    return textwrap.dedent(command.help or "").strip()


def _paragraphs(text: str) -> str:
    """Return help as Markdown: paragraphs in one line each, lines that belong apart kept apart."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _metavar(parameter: Any) -> str:  # noqa: ANN401 - typer's own
    name: str = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:  # noqa: ANN401 - typer's own
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or _kind(option).upper()}"


def _kind(parameter: Any) -> str:  # noqa: ANN401 - typer's own
    """Return the name of a parameter's type."""
    name: str = getattr(parameter.type_descriptor.annotation, "__name__", "value")
    return {"str": "text", "int": "number", "float": "number"}.get(name, name)


def _help(parameter: Any) -> str:  # noqa: ANN401 - typer's own
    text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    kind = parameter.type_descriptor.annotation
    choices = [each.value for each in kind] if isinstance(kind, type) and issubclass(kind, enum.Enum) else []
    ends = [f"One of {', '.join(choices)}." if choices else "", "Required." if parameter.required else ""]
    if parameter.show_default and isinstance(parameter.default, (int, float, str)) and not parameter.is_flag:
        ends.append(
            f"{getattr(parameter.default, 'value', parameter.default)} by default." if parameter.default != "" else ""
        )
    return " ".join(part for part in [text, *ends] if part)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

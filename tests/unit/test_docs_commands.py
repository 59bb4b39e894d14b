"""Every command on every page is run by a test as it stands, or is named here with the reason why not.

Lines that begin with `$ `, in a block of the language console or in an indented one, are run.  Other blocks that begin
with a program's name are not, and say why: here in NOT_RUN, or on their page in a comment right above them,
`<!-- not run: because … -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"docs/cli.md"}
"""Its commands are the help's own; tests/cli/test_cli_reference.py holds it against the code."""
TESTS = {
    file: file.read_text("utf-8")
    for folder in ("cli", "integration", "e2e")
    for file in sorted((ROOT / "tests" / folder).glob("test_*.py"))
}
"""The tests that may run what a page says; one that does reads the page."""
SHELLS = {"console", "sh", "bash", "shell"}
PROGRAMS = {
    *("aegis", "apt-get", "cargo", "cd", "curl", "docker", "export", "git", "go", "helm", "kubectl", "make", "mkdir"),
    *("mvn", "npm", "openssl", "pip", "promtool", "pytest", "python", "uv"),
}

INSTALLS = (
    "installs from a package registry, and tests reach nothing outside; tests/integration/test_wheel.py installs it"
)
ITSELF = "it is what runs these tests"
NOT_RUN = {
    ("README.md", "make demo"): "tests/integration/test_demo.py runs the command behind it",
    ("README.md", "make test"): ITSELF,
    ("README.md", "pip install"): INSTALLS,
    ("docs/clients.md", "pip install"): INSTALLS,
    ("docs/tutorial.md", "pip install"): INSTALLS,
    ("docs/tutorial.md", "export AEGIS_BROKER="): "the test's broker is elsewhere, and given in the same way",
    ("docs/monitoring.md", "promtool"): "tests/e2e/test_alert_rules.py runs both, where promtool is",
    ("docs/control-topic.md", "aegis topics create"): "the session of README.md runs it",
    ("docs/decoding.md", "cd examples/go-reader && go build"): "tests/vectors/test_go_reader.py does both",
    (
        "docs/deployment.md",
        "docker build",
    ): "no container engine runs where these tests do; they read the Dockerfile strictly",
    (
        "docs/deployment.md",
        "export AEGIS_UID=",
    ): "no engine; tests/e2e runs the commands that compose would, on a real Kafka",
    ("docs/hsm.md", "apt-get install softhsm2"): "tools/setup.sh does it",
    (
        "docs/key-custody.md",
        "aegis kek provision",
    ): "tests/cli/test_kek_provision.py runs each form, on stand-ins of KMS and HSM",
    ("docs/native.md", "pip install maturin"): "tools/setup.sh native does it",
    ("docs/operations.md", "aegis revoke"): "a pattern with an ID to fill in; the procedures below it run it",
}
"""By page and the beginning of the first line."""
COMMENT = re.compile(r"<!-- not run: (.{10,}) -->")


class Block(NamedTuple):
    """A block of code: page, number of its first line, language (empty if indented), lines, and why it is not run."""

    page: str
    line: int
    language: str
    lines: tuple[str, ...]
    why_not: str = ""

    @property
    def commands(self) -> list[str]:
        """The lines that are to be run."""
        return [line.removeprefix("$ ") for line in self.lines if line.startswith("$ ")]

    @property
    def is_for_a_shell(self) -> bool:
        """Whether it is something to type."""
        first = next((line for line in self.lines if line.strip()), "")
        return self.language in SHELLS or (not self.language and first.split(" ")[0] in PROGRAMS | {"$"})


def blocks(file: Path) -> list[Block]:
    """Return the blocks of a page."""
    page = str(file.relative_to(ROOT))
    found: list[Block] = []
    language: str | None = None
    lines: list[str] = []
    begin, why_not = 0, ""
    for number, line in enumerate([*file.read_text("utf-8").splitlines(), ""], 1):
        fence = re.fullmatch(r"\s*```(\w*)", line)
        if language is not None:
            if fence:
                found.append(Block(page, begin, language, tuple(lines), why_not))
                language, lines, why_not = None, [], ""
            else:
                lines.append(line)
        elif fence:
            language, lines, begin = fence[1] or "text", [], number
        elif line.startswith("    "):
            begin = begin if lines else number
            lines.append(line[4:])
        elif lines:
            found.append(Block(page, begin, "", tuple(lines), why_not))
            lines, why_not = [], ""
        elif line.strip():
            comment = COMMENT.fullmatch(line.strip())
            why_not = comment[1] if comment else ""
    return found


SHELL_BLOCKS = [
    block
    for file in PAGES
    if str(file.relative_to(ROOT)) not in GENERATED
    for block in blocks(file)
    if block.is_for_a_shell
]


def runners(page: str) -> list[Path]:
    """Return the tests that read a page."""
    name = page.rsplit("/", 1)[-1]
    return [file for file, text in TESTS.items() if f'"{name}"' in text]


def excuse(block: Block) -> str | None:
    """Return why a block is not run."""
    if block.why_not:
        return block.why_not
    first = next(line for line in block.lines if line.strip())
    reasons = [why for (page, begin), why in NOT_RUN.items() if page == block.page and first.startswith(begin)]
    return reasons[0] if reasons else None


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_for_a_shell_is_run_or_says_why_not(block: Block) -> None:
    """A command that was never run is wrong sooner or later, and then in an emergency."""
    if block.commands:
        assert runners(block.page), f"no test reads {block.page}"
    else:
        assert excuse(block), f"{block.page}:{block.line}: begin it with `$ ` and run it, or say in NOT_RUN why not"


def test_pages_with_commands_are_found() -> None:
    """The finding itself must not rot."""
    pages = {block.page for block in SHELL_BLOCKS if block.commands}
    assert {"README.md", "docs/operations.md", "docs/tutorial.md", "docs/dashboard.md"} <= pages
    assert len(SHELL_BLOCKS) > 30


def test_what_is_not_run_is_still_on_its_page() -> None:
    """An excuse for nothing hides the next one."""
    for page, begin in NOT_RUN:
        texts = [line for block in SHELL_BLOCKS if block.page == page for line in block.lines]
        assert any(line.startswith(begin) for line in texts), (page, begin)
    for why in NOT_RUN.values():
        for file in re.findall(r"(?:tests|tools)/[\w/]+\.(?:py|sh)", why):
            assert (ROOT / file).exists(), file

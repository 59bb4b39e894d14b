"""docs/cli.md: the tree of `aegis --help`, as the commands are now."""

from __future__ import annotations

from tests.cli.test_main import ALL_COMMANDS
from tools.cli_reference import PAGE, page


def test_reference_of_the_command_line_is_up_to_date() -> None:
    """`python -m tools.cli_reference` writes it anew."""
    assert PAGE.read_text("utf-8") == page()


def test_reference_names_every_command() -> None:
    """Each with a heading that can be linked to."""
    text = page()
    for words in ALL_COMMANDS:
        assert f"# aegis {' '.join(words)}\n" in text, words

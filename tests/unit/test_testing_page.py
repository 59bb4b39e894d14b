"""docs/testing.md: its example runs as it stands, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from aegis_stream import testing

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_runs_as_it_stands() -> None:
    """The first thing that somebody copies."""
    exec(compile(EXAMPLE, "testing.md", "exec"), {"__name__": "example"})  # noqa: S102 - the page's own example


def test_every_method_that_is_named_exists() -> None:
    """A name that was changed must change here too."""
    for name in re.findall(r"`(\w+)\(", PAGE):
        assert hasattr(testing.MemoryDeployment, name), name
    assert {"MemoryDeployment", "UnavailableKEK"} <= set(testing.__all__)

"""Code that stands in the documentation, to be run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"


def python_of(page: str) -> dict[str, Any]:
    """Run all Python blocks of a page in one namespace, in order, and return what they defined."""
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks
    defined: dict[str, Any] = {"__name__": page}
    for block in blocks:
        exec(compile(block, page, "exec"), defined)  # noqa: S102 - our own page
    return defined

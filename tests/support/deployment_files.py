"""What the files of a deployment are held against: the commands, the settings and the pages that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aegis_stream.settings.reference import unknown_variables, variables

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {variable.name for variable in variables() if variable.secret}


def documents(path: str) -> list[dict[str, Any]]:
    """Read all documents of a YAML file."""
    return [one for one in yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8")) if one]


def pages() -> set[str]:
    """Return the paths that an enricher serves."""
    return set(re.findall(r'@app\.page\("([^"]+)"\)', (ROOT / "topologies" / "pages.py").read_text(encoding="utf-8")))


def wrong_variables(names: Iterable[str]) -> list[str]:
    """Return the AEGIS_ names that no part of the project reads, and secrets that stand there instead of in a file."""
    given = [name for name in names if name.startswith("AEGIS_")]
    return [*unknown_variables(given), *(name for name in given if name in SECRETS)]


def looks_secret(text: str) -> bool:
    """Tell whether a text may be a key or a password: long, and of base64's or hex's characters only."""
    return any(len(set(run)) > 12 for run in re.findall(r"[A-Za-z0-9+/=]{32,}", text) if not run.startswith("/"))

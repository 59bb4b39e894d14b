"""A secret in a file, as tests write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def secret_file(folder: Path, text: str, *, mode: int = 0o600, name: str = "secret") -> Path:
    """Make a secret's file."""
    path = folder / name
    path.write_text(text + "\n")
    path.chmod(mode)
    return path

"""Write the JSON files, or with `--check` say whether they are what this would write."""

from __future__ import annotations

import sys

from .files import FOLDER, made

if __name__ == "__main__":
    stale = []
    for name, text in made().items():
        path = FOLDER / name
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
    if stale:
        sys.exit("not what the generator makes: " + ", ".join(stale))

"""A hook of mkdocs: pages link to files beside docs/, and in the site these links must lead somewhere too.

A file that is linked to (`../schemas/command.schema.json`) comes into the site under source/; a folder stays a name.
A link to what is not there is left to mkdocs, which refuses it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+((?!\.\./)[^)#]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 - mkdocs' own
    """Add what pages link to."""
    wanted = sorted({target for page in files.documentation_pages() for target in _targets(page.content_string)})
    for target in wanted:
        files.append(File.generated(config, _place(target), abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:  # noqa: ANN401, ARG001 - mkdocs' own
    """Lead links to where the files are in the site."""
    up = "../" * page.file.src_uri.count("/")

    def lead(found: re.Match[str]) -> str:
        text, target, anchor = found.groups()
        if (ROOT / target).is_dir():
            return f"{text} (`{target}`)"
        return f"[{text}]({up}{_place(target)}{anchor or ''})" if (ROOT / target).is_file() else found[0]

    return OUTSIDE.sub(lead, markdown)


def _targets(markdown: str) -> Iterator[str]:
    return (target for _, target, _ in OUTSIDE.findall(markdown) if (ROOT / target).is_file())


def _place(target: str) -> str:
    """Return where a file stands in the site; Markdown as text, for it is no page of it."""
    return f"source/{target}" + (".txt" if target.endswith(".md") else "")

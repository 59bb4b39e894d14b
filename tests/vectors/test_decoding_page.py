"""docs/decoding.md: whoever writes a reader compares with its values, so each of them is computed here."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support import vectors, worked_example
from tests.support.second_decoder import json_text, reader

PAGE = (Path(__file__).parents[2] / "docs" / "decoding.md").read_text(encoding="utf-8")
FORMAT = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+) \| (`[^|]+) \|$", re.MULTILINE)


def shown() -> dict[str, str]:
    """Read the values of the page's tables; a cut one keeps its `…`."""
    tables = re.findall(r"^\| value \| bytes \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    cells = [cell for table in tables for cell in ROW.findall(table)]
    values = {name: re.sub(r"[`]|<br>", "", text) for name, text in cells}
    assert len(values) == len(cells)
    return values


def test_every_value_is_computed() -> None:
    """One wrong digit would cost its reader a day."""
    values, computed = shown(), worked_example.event()
    assert set(values) == set(computed)
    for name, value in computed.items():
        text = values[name]
        if name == "KEK id":
            assert text == value.decode()
        elif "…" in text:
            cut = re.fullmatch(r"([0-9a-f]{32})…([0-9a-f]{32}) \(([0-9,]+) bytes\)", text)
            assert cut is not None
            assert (value.hex()[:32], value.hex()[-32:], f"{len(value):,}") == cut.groups()
        else:
            assert text == value.hex(), name


def test_the_event_is_the_vector() -> None:
    """The page says what comes out, and what `_aegis` says."""
    case = vectors.load("schedule")
    encrypted = json_text.parse(case["encrypted"].encode())
    opened = reader.read(case["encrypted"].encode(), vectors.keys("deployment"))
    assert opened.event == json_text.parse(case["raw"].encode())
    assert f"    {case['raw']}\n" in PAGE
    assert isinstance(encrypted, dict)
    aegis = encrypted["_aegis"]
    assert isinstance(aegis, dict)
    told = "".join(re.findall(r"^Here `dek` is .*\n", PAGE, re.MULTILINE))
    assert all(str(aegis[name]) in told for name in ("dek", "id", "src", "by"))


def test_every_step_of_a_reader_is_there() -> None:
    """The format's table numbers the steps, and this page follows it."""
    table = FORMAT[FORMAT.index("## What a reader must refuse") : FORMAT.index("## What a writer must refuse")]
    steps = set(re.findall(r"^\| ([1-9]) \|", table, re.MULTILINE))
    assert set(re.findall(r"^### ([1-9])\. ", PAGE, re.MULTILINE)) == steps


def test_formulas_are_those_of_the_format() -> None:
    """Each label that a reader needs stands here as it stands there."""
    labels = set(re.findall(r'LP\("(aegis-stream/v1[a-z/-]*)"\)', PAGE))
    assert labels <= set(re.findall(r'"(aegis-stream/v1[a-z/-]*)"', FORMAT))
    assert {label.removeprefix("aegis-stream/v1") for label in labels} == {
        "",
        "/wrap",
        "/dek",
        "/session",
        "/field",
        "/set",
    }


def test_files_that_the_page_names_are_there() -> None:
    """A reader's author follows these links."""
    root = Path(__file__).parents[2]
    linked = set(re.findall(r"\]\(([^)#]+)\)", PAGE))
    assert [link for link in linked if not (root / "docs" / link).exists()] == []
    named = set(re.findall(r"\b([a-z_]+\.json)\b", PAGE)) - {"keys.json"}
    assert [name for name in named if not (root / "tests" / "vectors" / name).exists()] == []

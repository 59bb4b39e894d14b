"""docs/enricher.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from topologies.metrics import EnricherMetrics
from topologies.side_doors import KeyRule, SideDoors
from topologies.writers import WriterState

PAGE = (Path(__file__).parents[2] / "docs" / "enricher.md").read_text()


def test_the_page_names_every_metric_and_no_other() -> None:
    """Alarms are written from it."""
    text = EnricherMetrics(SideDoors(KeyRule.DROP)).text().decode()
    served = {name for name in re.findall(r"# TYPE (aegis_enricher_\w+)", text) if not name.endswith("_created")}
    told = set()
    for row in re.findall(r"^\| (`aegis_enricher_.*?) \|", PAGE, re.MULTILINE):
        for name in re.findall(r"`(\w+)", row):
            told.add(name if name.startswith("aegis_") else f"aegis_enricher{name}")
    assert told == served


def test_the_page_names_every_state_in_which_it_holds() -> None:
    """An operator looks there for what /ready said."""
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) >= set(WriterState) - {WriterState.USABLE}

"""A chain of enrichers for library users: each takes an event and returns a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

Enricher: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Takes an event, returns a new one, changes nothing it was given."""


class TelemetryPipeline:
    """Runs enrichers in the order in which they were added."""

    def __init__(self) -> None:
        """Begin without enrichers."""
        self._enrichers: list[Enricher] = []

    def add_enricher(self, enricher: Enricher) -> Self:
        """Add an enricher at the end; returns the pipeline, so that calls can be chained."""
        self._enrichers.append(enricher)
        return self

    def process(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the event as the last enricher gave it.  Raises what an enricher raises; nothing is swallowed."""
        for enricher in self._enrichers:
            event = enricher(event)
        return dict(event)

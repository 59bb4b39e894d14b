"""Seeded, realistic governance events for demos, tests and benchmarks."""

from aegis_stream.generator.events import EventKind, generate_events

__all__ = ["EventKind", "generate_events"]

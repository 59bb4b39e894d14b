"""What the page knows, for Prometheus: above all what no enricher can say, such as a rotation that is overdue."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from aegis_stream.errors import CommandReason, ManifestReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import StrEnum

    from aegis_stream.dashboard.board import Board


def metrics_text(board: Board, *, now: dt.datetime | None = None) -> bytes:
    """Return Prometheus' text format; what is not known is left out, so that `absent()` finds it."""
    registry = CollectorRegistry()
    moment = now or dt.datetime.now(dt.UTC)
    control, manifest = board.section("control"), board.section("manifest")
    following = Gauge("aegis_control_following", "1 while the control topic is being read", registry=registry)
    following.set(control is not None and control["state"] == "following")
    if manifest is not None:
        _manifest(registry, manifest, moment)
        _control(registry, board)
    letters = board.section("dead_letters")
    if letters is not None and not letters["problem"]:
        gauge = Gauge("aegis_dead_letter_records", "Dead letters read from their topic", ["reason"], registry=registry)
        for row in letters["rows"]:
            gauge.labels(row["reason"]).set(row["total"])
    if board.section("marks") is not None:
        gauge = Gauge("aegis_dead_letter_marks", "Dead letters that were marked", ["state"], registry=registry)
        for state, count in board.section("marks").items():
            gauge.labels(state).set(count)
    return generate_latest(registry)


def _manifest(registry: CollectorRegistry, manifest: dict[str, Any], now: dt.datetime) -> None:
    def gauge(name: str, purpose: str, value: float) -> None:
        Gauge(f"aegis_keyring_{name}", purpose, registry=registry).set(value)

    gauge("manifest_age_seconds", "Age of the manifest in force", _seconds(manifest["issued_at"], now))
    gauge("manifest_sequence", "Sequence of the manifest in force", manifest["sequence"])
    gauge("active_dek_age_seconds", "Age of the active DEK", _seconds(manifest["active_since"], now))
    if manifest["rotation_due"] is not None:
        overdue_s = _seconds(manifest["rotation_due"], now)
        gauge("rotation_overdue_seconds", "How long a rotation by schedule is overdue", max(0.0, overdue_s))


def _control(registry: CollectorRegistry, board: Board) -> None:
    refused = board.section("refused") or {"records": {}, "commands": {}}
    sections = {
        "aegis_keyring_deks": ("DEKs by state", "state", board.section("dek_states")),
        "aegis_control_commands": ("Commands on the control topic by state", "state", board.section("command_states")),
        "aegis_control_refused_records": (
            "Records of the control topic refused since the dashboard began to read it",
            "reason",
            _from_zero(ManifestReason, refused["records"]),
        ),
        "aegis_control_refused_commands": (
            "Records about commands that do not count",
            "reason",
            _from_zero(CommandReason, refused["commands"]),
        ),
    }
    for name, (purpose, label, counts) in sections.items():
        gauge = Gauge(name, purpose, [label], registry=registry)
        for key, count in (counts or {}).items():
            gauge.labels(key).set(count)


def _from_zero(reasons: Iterable[StrEnum], counts: Mapping[str, int]) -> dict[str, int]:
    """Name every reason, so that the first refusal of a kind is an increase."""
    return {reason.value: counts.get(reason.value, 0) for reason in reasons}


def _seconds(since: str, now: dt.datetime) -> float:
    return (now - dt.datetime.fromisoformat(since)).total_seconds()

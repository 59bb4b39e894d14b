"""What an operator must know of the agent's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    from aegis_stream.control import Result


def result_lines(result: Result) -> list[str]:
    """Return what an operator must know of an answer, a line each."""
    told = {
        "active DEK": result.active_version,
        "takes effect, unless vetoed": _time(result, "effective_at"),
        "binds every follower by": _time(result, "binds_by"),
        "brokers hold the old record until": _time(result, "brokers_clear_at"),
        "KEKs that wrapped it": None if result.keks is None else ", ".join(result.keks),
        "why": None if result.reason is None else result.reason.value,
        "note": result.message or None,
    }
    return [f"{name}: {value}" for name, value in told.items() if value is not None]


def _time(result: Result, name: str) -> str | None:
    when = getattr(result, name)
    return None if when is None else time_text(when)

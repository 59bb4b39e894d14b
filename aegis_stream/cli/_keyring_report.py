"""What `aegis keys list` shows people of a keyring: tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from aegis_stream.cli._exit import say_error, say_hint
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.view import Freshness

if TYPE_CHECKING:
    from collections.abc import Callable

_DAY_S = 86_400


def print_table(shown: dict[str, Any]) -> None:
    """Print tables to standard output, and what is wrong to standard error."""
    console = Console(soft_wrap=False)
    console.print(
        f"deployment {shown['deployment']}, manifest {shown['sequence']}, {shown['freshness']}, "
        f"issued {shown['issued_at']}, expires {shown['expires_at']}",
        highlight=False,
    )
    console.print(_table(shown["deks"], ("version", "state", "age", "policy", "sessions", "record", "keks"), _dek_row))
    console.print(_table(shown["keks"], ("kek", "state"), lambda kek: (kek["id"], kek["state"])))
    signers = [{"kind": kind, **key} for kind in ("enrichers", "custodians", "agents") for key in shown[kind]]
    for key in signers:
        key["waits"] = key.get("since", "") > shown["issued_at"]
    if shown["recovery_key_id"] is not None:
        signers.append({"kind": "recovery", "id": shown["recovery_key_id"]})
    console.print(_table(signers, ("signing key", "of", "state", "for"), _signer_row))
    if shown["freshness"] != Freshness.FRESH:
        say_error(f"the manifest expired at {shown['expires_at']}")
        say_hint("see that the rotation agent runs (`aegis run rotator`) and that the clocks agree")
    for dek in shown["deks"]:
        if dek["record"] == "missing" and dek["state"] != DekState.DESTROYED:
            say_error(f"the record of {dek['version']} is missing")
            say_hint("`aegis keys restore` puts it back")
    for reason, count in shown["refused"].items():
        say_error(f"{count} record(s) of the control topic were refused: {reason}")


def _table(
    rows: list[dict[str, Any]], titles: tuple[str, ...], row: Callable[[dict[str, Any]], tuple[str, ...]]
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold")
    for each in rows:
        table.add_row(*row(each))
    return table


def _dek_row(dek: dict[str, Any]) -> tuple[str, ...]:
    state = f"{dek['state']}, below minimum" if dek["below_minimum"] else dek["state"]
    sessions = "signed" if dek["signed"] else "unsigned"
    return dek["version"], state, age_text(dek["age_s"]), dek["policy"], sessions, dek["record"], ", ".join(dek["keks"])


def _signer_row(key: dict[str, Any]) -> tuple[str, ...]:
    if key["kind"] == "enrichers":
        return key["id"], "enricher", key["state"], f"v{key['first_n']} to {_last(key)}"
    if key["kind"] == "custodians":
        if "revoked_at" in key:
            return key["id"], key["role"], key["state"], f"revoked {key['revoked_at']}"
        state, told = ("waiting", "from") if key["waits"] else (key["state"], "since")
        return key["id"], key["role"], state, f"{told} {key['since']}"
    if key["kind"] == "recovery":
        return key["id"], "recovery", "current", "ends a wait for a veto"
    return key["id"], "agent", key["state"], "manifests"


def _last(key: dict[str, Any]) -> str:
    return f"v{key['last_n']}" if "last_n" in key else "now"


def age_text(age_s: int) -> str:
    """Return an age in the two largest units: `3 d 4 h`, `5 h 7 min`, `12 min`."""
    days, rest = divmod(age_s, _DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes = rest // 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

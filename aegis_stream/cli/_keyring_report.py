"""What `aegis keys list` shows of a keyring: for machines as one object, for people as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from aegis_stream.cli._exit import say_error, say_hint
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.keyring.view import Freshness

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest

_DAY_S = 86_400


def report(keyring: Keyring, manifest: Manifest, *, now: dt.datetime) -> dict[str, Any]:
    """Return everything as one JSON object; ages in seconds, public keys left out."""
    return {
        "deployment": manifest.deployment,
        "sequence": manifest.sequence,
        "issued_at": time_text(manifest.issued_at),
        "expires_at": time_text(manifest.expires_at),
        "freshness": keyring.freshness(now).value,
        "active_version": manifest.active.version.text,
        "minimum_version": manifest.minimum_version.text,
        "deks": _deks(keyring, manifest, now),
        "keks": [{"id": entry.id, "state": entry.state.value} for entry in manifest.keks],
        "policies": [policy.to_json() for policy in manifest.policies],
        "enrichers": [_without_key(entry.to_json()) for entry in manifest.enrichers],
        "custodians": [_without_key(entry.to_json()) for entry in manifest.custodians],
        "agents": [_without_key(entry.to_json()) for entry in manifest.agents],
        "recovery_key": manifest.recovery_key is not None,
        "refused": {reason.value: count for reason, count in sorted(keyring.refused.items()) if count},
    }


def _deks(keyring: Keyring, manifest: Manifest, now: dt.datetime) -> list[dict[str, Any]]:
    records = keyring.view.records
    return [
        {
            "version": entry.version.text,
            "state": entry.state.value,
            "created_at": time_text(entry.created_at),
            "age_s": max(0, int((now - entry.created_at).total_seconds())),
            "policy": entry.policy,
            "signed": entry.signed,
            "below_minimum": entry.version.n < manifest.minimum_version.n,
            "record": "ok" if entry.version.text in records else "missing",
            "keks": sorted(records[entry.version.text].wraps) if entry.version.text in records else [],
        }
        for entry in manifest.deks
    ]


def _without_key(shape: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in shape.items() if name != "public_key"}


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
        return "", key["role"], key["state"], f"since {key['since']}"
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

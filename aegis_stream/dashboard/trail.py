"""The audit trail: what signed records say happened, and what this process has seen itself since it started.

What comes from signed records (commands, answers, keys) is there again after a restart; what was only seen is not, and
is marked so.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from aegis_stream.custodian import custodian_key_id
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.plain_text import plain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from aegis_stream.control.standing import Standing
    from aegis_stream.keyring.manifest import Manifest

MOST = 200
MOST_SEEN = 500

SIGNED = "signed"
SEEN = "seen"


class Seen:
    """Keeps what this process has noticed, the last few hundred of it."""

    def __init__(self) -> None:
        """Nothing was seen yet."""
        self._entries: deque[dict[str, Any]] = deque(maxlen=MOST_SEEN)

    def note(self, what: str, *, at: dt.datetime) -> None:
        """Keep one line."""
        self._entries.append(_entry(at, what, source=SEEN))

    def entries(self) -> list[dict[str, Any]]:
        """Return all of it."""
        return list(self._entries)


def trail_section(standings: Sequence[Standing], manifest: Manifest, seen: Seen) -> list[dict[str, Any]]:
    """Return the newest entries, the last one first: `at`, `what`, `who`, `detail`, `source`."""
    entries = [*seen.entries(), *_of_keys(manifest)]
    for standing in standings:
        entries += _of_command(standing)
    entries.sort(key=lambda entry: entry["at"], reverse=True)
    return entries[:MOST]


def _of_keys(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for dek in manifest.deks:
        yield _entry(dek.created_at, f"DEK {dek.version} made", detail=f"policy {dek.policy}, now {dek.state}")
    for entry in manifest.custodians:
        name = f"{entry.role} {custodian_key_id(entry.public_key)}"
        if entry.since <= manifest.issued_at:
            yield _entry(entry.since, f"{name} in force")
        if entry.revoked_at is not None:
            yield _entry(entry.revoked_at, f"{name} revoked")
    for signer in manifest.enrichers:
        if signer.revoked_at is not None:
            yield _entry(signer.revoked_at, f"enricher {signer.id} revoked")


def _of_command(standing: Standing) -> Iterator[dict[str, Any]]:
    command, result = standing.judgement.command, standing.result
    who = ", ".join(f"{each.slot} {each.key_id}" for each in standing.signed)
    if command is not None and standing.signed:
        yield _entry(command.issued_at, f"{command.kind} asked for", who=who, detail=command.reason, command=command.id)
    if result is not None:
        kind = result.kind.value if result.kind is not None else "command"
        detail = f"manifest {result.sequence}" + (f"; {result.message}" if result.message else "")
        yield _entry(
            result.decided_at, f"{kind} {result.outcome}", who="rotation agent", detail=detail, command=result.id
        )


def _entry(at: dt.datetime, what: str, **members: str) -> dict[str, Any]:
    """`members`: any of who, detail, command and source."""
    texts = {"who": "", "detail": "", "command": "", "source": SIGNED, **members}
    return {"at": time_text(at), "what": plain(what), **{name: plain(text) for name, text in texts.items()}}

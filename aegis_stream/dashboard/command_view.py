"""The section of commands: those that wait, with their signatures and what each would change, and the latest answers.

A command that nobody known has signed may have been written by anybody, in any number; those come last and few.  Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.control.approval import ApprovalState
from aegis_stream.control.standing import changes_of, is_open, shape_of
from aegis_stream.plain_text import plain_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from aegis_stream.control.draft import Terms
    from aegis_stream.control.standing import Standing
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest

MOST_SIGNED = 100
MOST_UNSIGNED = 20
MOST_ANSWERED = 30
LONGEST_ARGUMENT = 160


def commands_section(
    standings: Sequence[Standing],
    *,
    manifest: Manifest,
    records: Mapping[str, DekRecord],
    terms: Terms,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return the commands that wait, the first issued first, and those that are decided, the last decided first.

    standings: every command that the topic holds.  manifest, records: what is in force, and the records it names.
    """
    waiting = [standing for standing in standings if is_open(standing)]
    signed = [standing for standing in waiting if standing.judgement.state is not ApprovalState.PENDING]
    unsigned = [standing for standing in waiting if standing.judgement.state is ApprovalState.PENDING]
    answered = [standing for standing in standings if not is_open(standing)]

    def told(standing: Standing) -> dict[str, Any]:
        changes = changes_of(standing, manifest=manifest, records=records, terms=terms, now=now)
        return _shape(standing) | {name: plain_value(value) for name, value in changes.items()}

    return {
        "waiting": [told(standing) for standing in [*signed[:MOST_SIGNED], *unsigned[-MOST_UNSIGNED:]]],
        "signed": len(signed),
        "unsigned": len(unsigned),
        "answered": [_shape(standing) for standing in sorted(answered, key=_decided, reverse=True)[:MOST_ANSWERED]],
    }


def state_counts(standings: Sequence[Standing]) -> dict[str, int]:
    """Return how many commands stand in each state, every state named."""
    counts = dict.fromkeys([state.value for state in ApprovalState], 0)
    for standing in standings:
        counts[standing.judgement.state.value] += 1
    return counts


def _shape(standing: Standing) -> dict[str, Any]:
    shape = shape_of(standing)
    told: dict[str, Any] = {
        name: plain_value(value, longest=1_000) for name, value in shape.items() if name != "command"
    }
    command = shape["command"]
    if command is None:
        return {**told, "command": None}
    members = {name: plain_value(value, longest=500) for name, value in command.items() if name != "arguments"}
    arguments = [[name, plain_value(value, longest=LONGEST_ARGUMENT)] for name, value in command["arguments"].items()]
    return {**told, "command": {**members, "arguments": arguments}}


def _decided(standing: Standing) -> tuple[str, str]:
    result = standing.result
    return ("" if result is None else result.decided_at.isoformat()), standing.case.id

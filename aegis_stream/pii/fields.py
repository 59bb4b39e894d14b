"""The twelve sensitive fields of governance events and how their names are compared."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Priority(StrEnum):
    """How bad it is when a field leaks; CUSTOM is what a policy added to the twelve."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    CUSTOM = "custom"


PII_FIELDS: Mapping[str, Priority] = MappingProxyType(
    {
        "actor_assignments": Priority.CRITICAL,
        "override_justification": Priority.CRITICAL,
        "risk_lead_signature": Priority.CRITICAL,
        "security_lead_signature": Priority.CRITICAL,
        "decision_actor": Priority.CRITICAL,
        "decision_rationale": Priority.CRITICAL,
        "workflow_id": Priority.HIGH,
        "author_id": Priority.HIGH,
        "actor_id": Priority.HIGH,
        "combined_hash": Priority.HIGH,
        "requested_by": Priority.MEDIUM,
        "signer_id": Priority.MEDIUM,
    }
)
"""The twelve names that every policy holds, with their priorities."""

_NORMAL = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"} | dict.fromkeys(map(ord, "_-. "))


def normalise(name: str) -> str:
    """Return a name as it is compared: ASCII letters lower-case, without `_`, `-`, `.` and space.

    So `actorId`, `ACTOR_ID` and `actor.id` are `actor_id`.  Nothing else is folded.
    """
    return name.translate(_NORMAL)

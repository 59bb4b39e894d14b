"""The transactional ids and groups that our own writers use; a right on one lets its holder take the part over."""

from __future__ import annotations

AGENT_ROLE = "rotation agent"
DESK_ROLE = "dead-letter desk"


def writer_id(deployment: str, role: str) -> str:
    """Return the transactional id of a role of which a deployment has one writer at a time."""
    return f"{deployment}-{role.replace(' ', '-')}"


def reencryption_prefix(deployment: str) -> str:
    """Return what group and transactional id of every re-encryption begin with; the new topic's name follows."""
    return f"{deployment}.reencrypt."

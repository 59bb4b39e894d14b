"""The sections that come from the signed manifest: keyring, custodians and how fresh it is.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.custodian import custodian_key_id
from aegis_stream.keyring.report import report
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.plain_text import plain_value

if TYPE_CHECKING:
    import datetime as dt

    from aegis_stream.encryption import RotationSchedule
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest

POLICY_NAMES = 50


def manifest_section(
    keyring: Keyring, manifest: Manifest, *, schedule: RotationSchedule, now: dt.datetime
) -> dict[str, Any]:
    """Return what stands at the top: which manifest, how fresh, what is active, when it is to be rotated."""
    due = schedule.due_at(manifest)
    return {
        "deployment": manifest.deployment,
        "sequence": manifest.sequence,
        "issued_at": time_text(manifest.issued_at),
        "expires_at": time_text(manifest.expires_at),
        "freshness": keyring.freshness(now).value,
        "active_version": manifest.active.version.text,
        "active_since": time_text(manifest.active.created_at),
        "minimum_version": manifest.minimum_version.text,
        "rotation_due": None if due is None else time_text(due),
        "rotation_overdue": due is not None and now >= due,
    }


def keyring_section(keyring: Keyring, manifest: Manifest, *, now: dt.datetime) -> dict[str, Any]:
    """Return DEKs, KEKs, policies, enrichers' and agents' keys; ages are told by `created_at`, public keys left out."""
    shown = report(keyring, manifest, now=now)
    return {
        "deks": [{name: value for name, value in dek.items() if name != "age_s"} for dek in reversed(shown["deks"])],
        "keks": shown["keks"],
        "policies": [
            {
                "id": policy["id"],
                "names": plain_value(policy["names"][:POLICY_NAMES], longest=80),
                "pointers": plain_value(policy["pointers"][:POLICY_NAMES], longest=80),
                "exclude": plain_value(policy["exclude"][:POLICY_NAMES], longest=80),
            }
            for policy in shown["policies"]
        ],
        "enrichers": shown["enrichers"],
        "agents": shown["agents"],
    }


def custodians_section(manifest: Manifest) -> dict[str, Any]:
    """Return the custodians' keys, the newest first, each by its id."""
    entries = sorted(manifest.custodians, key=lambda entry: (entry.role.value, entry.since), reverse=True)
    return {
        "keys": [
            {
                "role": entry.role.value,
                "key_id": custodian_key_id(entry.public_key),
                "state": "waiting" if entry.since > manifest.issued_at else entry.state.value,
                "since": time_text(entry.since),
                "revoked_at": None if entry.revoked_at is None else time_text(entry.revoked_at),
            }
            for entry in entries
        ],
        "recovery_key": None if manifest.recovery_key is None else custodian_key_id(manifest.recovery_key),
    }

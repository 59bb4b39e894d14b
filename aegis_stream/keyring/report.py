"""What there is to say about a keyring, as JSON without a public key: for `aegis keys list` and for the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aegis_stream.custodian.provider import custodian_key_id
from aegis_stream.keyring.strict_json import time_text

if TYPE_CHECKING:
    import datetime as dt

    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest


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
        "custodians": [
            {"id": custodian_key_id(entry.public_key), **_without_key(entry.to_json())} for entry in manifest.custodians
        ],
        "agents": [_without_key(entry.to_json()) for entry in manifest.agents],
        "recovery_key": manifest.recovery_key is not None,
        "recovery_key_id": None if manifest.recovery_key is None else custodian_key_id(manifest.recovery_key),
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

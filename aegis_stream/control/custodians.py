"""The custodians' keys of a manifest, for whoever judges override events by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aegis_stream.custodian.override import CustodianKey, CustodianKeys
from aegis_stream.keyring.entries import Role

if TYPE_CHECKING:
    from aegis_stream.keyring.manifest import Manifest


def custodian_keys(manifest: Manifest) -> CustodianKeys:
    """Return the keys of both roles, the revoked ones with their time; not those that wait to take over.

    For `verify_override`, and for an `OverrideMarker` that follows the control topic:
    `OverrideMarker(lambda: custodian_keys(keyring.manifest))`.
    """
    keys = {
        role: [
            CustodianKey(entry.public_key, entry.revoked_at)
            for entry in manifest.custodians
            if entry.role is role and entry.since <= manifest.issued_at
        ]
        for role in Role
    }
    return CustodianKeys(risk_lead=keys[Role.RISK_LEAD], security_lead=keys[Role.SECURITY_LEAD])

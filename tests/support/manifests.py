"""A manifest in which everything stands that may, and what must not stand in one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import (
    CustodianEntry,
    ExecutedCommand,
    KekEntry,
    KekState,
    KeyState,
    Role,
    SignerEntry,
)
from aegis_stream.pii import Policy
from aegis_stream.wire import DekVersion
from tests.support.keyrings import (
    ENRICHER,
    HOUR,
    KEK_PAIR,
    NOW,
    OTHER_ENRICHER,
    OTHER_KEK_PAIR,
    Deployment,
)

if TYPE_CHECKING:
    from aegis_stream.keyring.manifest import Manifest

COMMAND = "01890a5d-ac96-774b-bcce-b302099a8057"


def full_manifest() -> Manifest:
    """Return a manifest in which everything that may stand there does."""
    deployment = Deployment()
    deployment.rotate(NOW + HOUR, policy=Policy("wide", names=("iban",), pointers=("/a/*",), exclude=("actor_id",)))
    return replace(
        deployment.manifest,
        keks=(KekEntry(KEK_PAIR.public, KekState.CURRENT), KekEntry(OTHER_KEK_PAIR.public, KekState.GRACE)),
        custodians=(
            CustodianEntry(Role.RISK_LEAD, b"r" * 32, KeyState.REVOKED, NOW, NOW + HOUR),
            CustodianEntry(Role.RISK_LEAD, b"q" * 32, KeyState.CURRENT, NOW + HOUR),
            CustodianEntry(Role.SECURITY_LEAD, b"s" * 32, KeyState.CURRENT, NOW),
        ),
        enrichers=(
            SignerEntry(ENRICHER.public, KeyState.RETIRED, 1, 1),
            SignerEntry(OTHER_ENRICHER.public, KeyState.REVOKED, 1, None, NOW + HOUR),
        ),
        executed=(ExecutedCommand(COMMAND, NOW + 24 * HOUR),),
        recovery_key=b"k" * 32,
    )


FULL = full_manifest()
SHAPE: dict[str, Any] = json.loads(FULL.to_payload())


def changed(path: str, value: object) -> bytes:
    """Return the manifest's JSON with the member at a path replaced, or taken out where the value is `...`."""
    shape = json.loads(json.dumps(SHAPE))
    *above, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target = shape
    for step in above:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return json.dumps(shape).encode()


REFUSED: dict[str, tuple[str, object]] = {
    "version of the format": ("v", 2),
    "version of the format as text": ("v", "1"),
    "version of the format as true": ("v", True),
    "unknown member": ("extra", 1),
    "no deployment": ("deployment", ...),
    "deployment empty": ("deployment", ""),
    "deployment with a slash": ("deployment", "a/b"),
    "sequence 0": ("sequence", 0),
    "sequence fractional": ("sequence", 1.0),
    "sequence as text": ("sequence", "1"),
    "sequence past 2^53": ("sequence", 2**53),
    "time with an offset": ("issued_at", "2026-03-01T12:00:00+00:00"),
    "time with a fraction": ("issued_at", "2026-03-01T12:00:00.5Z"),
    "time in no calendar": ("issued_at", "2026-02-30T12:00:00Z"),
    "time with a leap second": ("issued_at", "2026-03-01T23:59:60Z"),
    "expires before issue": ("expires_at", "2026-01-01T00:00:00Z"),
    "active version is another": ("active_version", SHAPE["deks"][0]["version"]),
    "active version no version": ("active_version", "dek-1"),
    "minimum is none of its DEKs": ("minimum_version", "dek-v7-20260301"),
    "no DEKs": ("deks", []),
    "DEKs no array": ("deks", {}),
    "DEK no object": ("deks", ["x"]),
    "DEKs out of order": ("deks", SHAPE["deks"][::-1]),
    "DEK twice": ("deks", [SHAPE["deks"][0], *SHAPE["deks"]]),
    "two DEKs of one n": (
        "deks",
        [
            SHAPE["deks"][0],
            {**SHAPE["deks"][0], "version": "dek-v1-20260302", "created_at": "2026-03-02T00:00:00Z"},
            SHAPE["deks"][1],
        ],
    ),
    "two active": ("deks/0/state", "active"),
    "none active": ("deks/1/state", "decrypt-only"),
    "active is not the newest": (
        "deks",
        [{**SHAPE["deks"][0], "state": "active"}, {**SHAPE["deks"][1], "state": "decrypt-only"}],
    ),
    "unknown DEK state": ("deks/0/state", "sleeping"),
    "DEK of another day": ("deks/0/created_at", "2026-03-02T12:00:00Z"),
    "policy is not there": ("deks/0/policy", "nowhere"),
    "signed as a number": ("deks/0/signed", 1),
    "hash in capitals": ("deks/0/record_sha256", "A" * 64),
    "hash too short": ("deks/0/record_sha256", "a" * 63),
    "DEK with more": ("deks/0/note", ""),
    "policy twice": ("policies/1", SHAPE["policies"][0]),
    "policy with more": ("policies/0/note", ""),
    "policy without names": ("policies/0/names", ...),
    "policy with a bad pointer": ("policies/0/pointers", ["a"]),
    "policy with numbers": ("policies/0/names", [1]),
    "no KEK current": ("keks/0/state", "grace"),
    "two KEKs current": ("keks/1/state", "current"),
    "KEK id twice": ("keks/1", {**SHAPE["keks"][0], "state": "grace"}),
    "KEK id of another key": ("keks/0/id", SHAPE["keks"][1]["id"]),
    "KEK key cut": ("keks/0/public_key", "AAAA"),
    "KEK key out of range": ("keks/0/public_key", "/" * 1621 + "w=="),
    "no agent": ("agents", []),
    "no agent current": ("agents/0/state", "retired"),
    "agent id of another key": ("agents/0/id", "agent-0000000000000000"),
    "unknown role": ("custodians/0/role", "janitor"),
    "two current keys of a role": (
        "custodians",
        [
            {**SHAPE["custodians"][1], "public_key": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="},
            *SHAPE["custodians"],
        ],
    ),
    "one person in both roles": ("custodians/2/public_key", SHAPE["custodians"][1]["public_key"]),
    "revoked without a time": ("custodians/0/revoked_at", ...),
    "current with a time of revocation": ("custodians/1/revoked_at", "2026-03-01T13:00:00Z"),
    "enricher twice": ("enrichers/1", SHAPE["enrichers"][0]),
    "enricher's id of another key": ("enrichers/0/id", "0" * 16),
    "enricher's key of small order": ("enrichers/0/public_key", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    "retired without a last n": ("enrichers/0/last_n", ...),
    "last n below the first": ("enrichers/0/first_n", 2),
    "first n of 0": ("enrichers/0/first_n", 0),
    "revoked enricher without a time": ("enrichers/1/revoked_at", ...),
    "command id no UUIDv7": ("executed/0/id", "01890a5d-ac96-474b-bcce-b302099a8057"),
    "command id twice": ("executed", SHAPE["executed"] * 2),
    "recovery key cut": ("recovery_key", "AAAA"),
    "recovery key null": ("recovery_key", None),
}


BEYOND_THE_SHAPE = frozenset(
    {
        "time in no calendar",
        "time with a leap second",
        "expires before issue",
        "active version is another",
        "minimum is none of its DEKs",
        "DEKs out of order",
        "DEK twice",
        "two DEKs of one n",
        "two active",
        "none active",
        "active is not the newest",
        "DEK of another day",
        "policy is not there",
        "policy twice",
        "policy with a bad pointer",
        "no KEK current",
        "two KEKs current",
        "KEK id twice",
        "KEK id of another key",
        "KEK key out of range",
        "no agent current",
        "agent id of another key",
        "two current keys of a role",
        "one person in both roles",
        "enricher twice",
        "enricher's id of another key",
        "enricher's key of small order",
        "last n below the first",
        "command id twice",
        "sequence fractional",
    }
)
"""What only the reader refuses: it needs more than one member, a calendar or a curve (or, as 1.0, is one to JSON)."""

RECORD: dict[str, Any] = json.loads(
    DekRecord.generate(DekVersion.parse("dek-v1-20260301"), [KEK_PAIR.public]).to_bytes()
)
KEK_NAME = next(iter(RECORD["wraps"]))
REFUSED_RECORDS: dict[str, dict[str, Any]] = {
    "version of the format": {"v": 2},
    "no version": {"version": "dek-v1"},
    "unknown member": {"note": ""},
    "public key cut": {"public_key": "AAAA"},
    "public key out of range": {"public_key": "/" * 1621 + "w=="},
    "private key for public": {"public_key": "A" * 3243 + "="},
    "wraps no object": {"wraps": []},
    "wrap cut": {"wraps": {KEK_NAME: "AAAA"}},
    "wrap no text": {"wraps": {KEK_NAME: 1}},
    "wrap of no KEK": {"wraps": {"kek-1": RECORD["wraps"][KEK_NAME]}},
    "nine wraps": {"wraps": {f"kek-{n:016x}": RECORD["wraps"][KEK_NAME] for n in range(9)}},
}


def changed_record(members: dict[str, Any]) -> bytes:
    """Return a DEK record's JSON with some members replaced."""
    return json.dumps({**RECORD, **members}).encode()

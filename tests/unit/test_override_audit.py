"""The audit of override decisions: judged as of their time, and what a lost key leaves to be signed again."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from aegis_stream.control import CustodianSigner, custodian_keys, settle
from aegis_stream.control.custody_arguments import ReplaceCustodian, Replacement
from aegis_stream.custodian import BIP322Provider, CustodianKey, CustodianKeys, OverrideMarker, SigningKeypair
from aegis_stream.custodian.override import combined_hash, signed_hash
from aegis_stream.custodian.override_audit import OverrideAudit
from aegis_stream.custodian.provider import custodian_key_id
from aegis_stream.errors import OverrideReason
from aegis_stream.keyring.entries import Role
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.wire import b64encode
from tests.support.control_world import RISK as WORLD_RISK
from tests.support.control_world import SECURITY as WORLD_SECURITY
from tests.support.control_world import World, custodian

PROVIDER = BIP322Provider()
RISK, SECURITY, NEW_RISK, STRANGER = (PROVIDER.generate_keypair() for _ in range(4))
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
LOST = custodian_key_id(RISK.public)
KEYS = CustodianKeys(
    risk_lead=[CustodianKey(RISK.public, NOW), CustodianKey(NEW_RISK.public)],
    security_lead=[CustodianKey(SECURITY.public)],
)


def event(
    name: str,
    *,
    risk: SigningKeypair | None = None,
    security: SigningKeypair | None = None,
    since: dt.datetime = NOW,
    expires_at: str = "",
) -> dict[str, Any]:
    """Make an override event with the signatures given."""
    made: dict[str, Any] = {
        "override_id": name,
        "requested_by": "somebody",
        "requested_at": time_text(since - HOUR),
        "expires_at": expires_at or time_text(since + 5 * HOUR),
        "override_justification": "because",
    }
    digest = signed_hash(made)
    assert digest is not None
    signatures = {}
    for member, pair in (("risk_lead_signature", risk), ("security_lead_signature", security)):
        if pair is not None:
            signatures[member] = PROVIDER.sign(pair.private, digest)
    made |= {member: b64encode(signature) for member, signature in signatures.items()}
    if len(signatures) == 2:
        made["combined_hash"] = combined_hash(*signatures.values())
    return made


def audited(*events: tuple[dict[str, Any], dt.datetime], key: str | None = LOST) -> OverrideAudit:
    """Show events to an audit, each as of a time."""
    audit = OverrideAudit(KEYS, key_id=key)
    for number, (each, at) in enumerate(events):
        audit.add(each, at=at, place=f"t/0/{number}", source=f"raw/0/{number}")
    return audit


def test_decisions_are_judged_as_of_their_time() -> None:
    """Before the revocation the key was good; afterwards nothing that it signs counts."""
    signed = event("ovr-1", risk=RISK, security=SECURITY)
    audit = audited((signed, NOW - HOUR / 2), (event("ovr-2", risk=RISK, security=SECURITY), NOW + HOUR))
    assert [(finding.verdict.verified, finding.verdict.reason) for finding in audit.findings] == [
        (True, None),
        (False, OverrideReason.REVOKED),
    ]


def test_only_decisions_of_the_key_are_shown_unless_all_are_asked_for() -> None:
    """Others are judged as well, for who asks for everything."""
    events = [(event("a", risk=NEW_RISK, security=SECURITY), NOW), (event("b", risk=RISK), NOW), ({"x": 1}, NOW)]
    assert [finding.verdict.override_id for finding in audited(*events).findings] == ["b"]
    assert len(audited(*events, key=None).findings) == 2


def test_one_key_in_both_roles_is_found() -> None:
    """Whoever holds one key must not decide alone, in an audit either."""
    audit = audited((event("a", risk=SECURITY, security=SECURITY), NOW), key=None)
    assert audit.findings[0].verdict.reason is OverrideReason.SAME_SIGNER


ZEROS = {"security_lead_signature": b64encode(bytes(64))}


@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (event("a", risk=RISK, security=SECURITY, expires_at=time_text(NOW + 48 * HOUR)), OverrideReason.WINDOW),
        (event("a", risk=RISK, security=SECURITY, expires_at="tomorrow"), OverrideReason.MALFORMED),
        (event("a", risk=RISK, security=RISK), OverrideReason.SAME_SIGNER),
        (event("a", security=RISK), OverrideReason.SAME_SIGNER),
        (event("a", risk=RISK) | ZEROS, OverrideReason.SECURITY_SIGNATURE),
        (event("a", risk=RISK) | {"security_lead_signature": "no base64"}, OverrideReason.MALFORMED),
        (event("a", risk=STRANGER, security=RISK), OverrideReason.RISK_SIGNATURE),
        (event("a", risk=RISK, security=SECURITY) | {"combined_hash": None}, OverrideReason.COMBINED_HASH),
        (event("a", risk=RISK, security=SECURITY) | {"signer_id": "x"}, OverrideReason.SIGNER_ID),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_key_signed_against_the_rules_is_found_as_well(signed: dict[str, Any], reason: OverrideReason) -> None:
    """A thief keeps no rule; the audit of his key must show that before anything else."""
    audit = audited((signed, NOW - HOUR / 2))
    assert [finding.verdict.reason for finding in audit.findings] == [reason]


def test_nobodys_event_takes_a_request_off_the_list() -> None:
    """Whoever may write events could else hide what a stolen key has signed: with a later copy that nobody signed."""
    half = event("half", risk=RISK)
    bare = {name: value for name, value in half.items() if not name.endswith("signature")}
    audit = audited((half, NOW - HOUR / 2), (bare, NOW), (event("half", risk=SECURITY, security=SECURITY), NOW))
    assert [each.finding.verdict.override_id for each in audit.pending(NOW)] == ["half"]


def test_request_that_was_signed_wrongly_as_well_is_signed_again() -> None:
    """It is open and nobody can rely on it: which other rule it breaks is no matter."""
    audit = audited((event("half", risk=RISK) | ZEROS, NOW - HOUR / 2), (event("b", security=RISK), NOW - HOUR / 2))
    assert [each.roles for each in audit.pending(NOW)] == [("risk-lead",), ("security-lead",)]


def test_open_requests_must_be_signed_again() -> None:
    """Those the lost key has signed, whose window is open, and that no longer count; the last event counts."""
    events = [
        (event("half", risk=RISK), NOW - HOUR / 2),
        (event("whole", risk=RISK, security=SECURITY), NOW - HOUR / 2),
        (event("over", risk=RISK, since=NOW - 6 * HOUR), NOW - 6 * HOUR),
        (event("unsigned"), NOW),
        (event("again", risk=RISK), NOW - HOUR / 2),
        (event("again", risk=NEW_RISK, security=SECURITY), NOW + HOUR),
    ]
    pending = audited(*events).pending(NOW + HOUR)
    assert [(each.finding.verdict.override_id, each.roles) for each in pending] == [
        ("half", ("risk-lead",)),
        ("whole", ("risk-lead",)),
    ]
    assert audited(*events, key=custodian_key_id(SECURITY.public)).pending(NOW + 24 * HOUR) == []


def test_repeats_of_one_source_count_once() -> None:
    """An enricher that was killed writes an event twice; it is one decision."""
    audit = OverrideAudit(KEYS, key_id=None)
    for _ in range(2):
        audit.add(event("a"), at=NOW, place="t/0/0", source="raw/0/7")
    audit.add(event("a"), at=NOW, place="t/0/1", source=None)
    assert len(audit.findings) == 2


def test_marker_judges_by_the_custodians_of_the_manifest() -> None:
    """A key that waits to take over counts not yet, and one that was replaced no more."""
    world = World.new()
    marker = OverrideMarker(lambda: custodian_keys(world.manifest), clock=lambda: world.now)
    new = custodian("a new risk lead")
    by_old, by_new = (signed_by(signer, WORLD_SECURITY) for signer in (WORLD_RISK, new))

    def verdicts() -> list[object]:
        return [marker(each)["override_verification"].get("reason") for each in (by_old, by_new)]

    assert verdicts() == [None, OverrideReason.RISK_SIGNATURE]
    world.run(ReplaceCustodian(Replacement(Role.RISK_LEAD, new.public)), WORLD_SECURITY, new_risk_lead=new)
    assert verdicts() == [None, OverrideReason.RISK_SIGNATURE]
    world.now += 73 * HOUR
    settled = settle(world.manifest, now=world.now)
    assert settled is not None
    world.take(settled)
    world.now += HOUR
    by_old, by_new = (signed_by(signer, WORLD_SECURITY, since=world.now) for signer in (WORLD_RISK, new))
    assert verdicts() == [OverrideReason.REVOKED, None]


def signed_by(risk: CustodianSigner, security: CustodianSigner, *, since: dt.datetime = NOW) -> dict[str, Any]:
    """Make an override event that two custodians of the tests' world have signed."""
    pairs = [SigningKeypair(signer._private, signer.public) for signer in (risk, security)]
    return event("of the world", risk=pairs[0], security=pairs[1], since=since)

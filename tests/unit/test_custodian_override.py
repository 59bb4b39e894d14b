"""The rules of override events, one by one."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegis_stream.custodian import (
    BIP322Provider,
    CustodianKey,
    CustodianKeys,
    OverrideMarker,
    OverrideRefusedError,
    OverrideRequest,
    OverrideVerdict,
    custodian_key_id,
    verify_override,
)
from aegis_stream.encryption import create_pii_decryptor, create_pii_enricher
from aegis_stream.errors import OverrideReason
from aegis_stream.hybrid import HybridKEM
from aegis_stream.pipeline import TelemetryPipeline
from aegis_stream.wire import b64encode

PROVIDER = BIP322Provider()
RISK, SECURITY, STRANGER = (PROVIDER.generate_keypair() for _ in range(3))
KEYS = CustodianKeys([CustodianKey(RISK.public)], [CustodianKey(SECURITY.public)])
BEGIN = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
AT = BEGIN + dt.timedelta(hours=1)
BASE = {
    "override_id": "ovr-1",
    "requested_by": "someone",
    "requested_at": "2026-03-01T12:00:00Z",
    "expires_at": "2026-03-02T12:00:00Z",
    "override_justification": "the limit is wrong today",
}


def signed(
    base: dict[str, object], risk: bytes = RISK.private, security: bytes = SECURITY.private
) -> dict[str, object]:
    """Return the event that both have signed."""
    message = OverrideRequest.from_event(base).message_hash()
    first, second = PROVIDER.sign(risk, message), PROVIDER.sign(security, message)
    return {
        **base,
        "risk_lead_signature": b64encode(first),
        "security_lead_signature": b64encode(second),
        "combined_hash": hashlib.sha256(first + second).hexdigest(),
    }


EVENT = signed(BASE)


def judge(event: dict[str, object], *, keys: CustodianKeys = KEYS, at: dt.datetime = AT) -> OverrideVerdict:
    """Judge with the keys and the time of most tests."""
    return verify_override(event, keys=keys, at=at)


def test_event_that_both_signed_is_verified() -> None:
    """The verdict names whose keys they were, so an audit can look for one."""
    verdict = judge(EVENT)
    assert verdict.verified
    assert verdict == OverrideVerdict(
        None, "", "ovr-1", custodian_key_id(RISK.public), custodian_key_id(SECURITY.public)
    )


def test_message_hash_is_the_one_of_the_format() -> None:
    """Other tools sign it too, so every byte of it is fixed."""

    def lp(text: str) -> bytes:
        return len(text.encode()).to_bytes(2, "big") + text.encode()

    packed = lp("aegis-stream/v1/override") + lp("ovr-1") + lp("someone") + lp("2026-03-01T12:00:00Z")
    packed += lp("2026-03-02T12:00:00Z") + lp("the limit is wrong today")
    assert OverrideRequest.from_event(BASE).message_hash() == hashlib.sha256(packed).digest()


@pytest.mark.parametrize("name", sorted(BASE))
def test_every_signed_member_counts(name: str) -> None:
    """A change of any of them after signing must show."""
    texts = {"requested_at": "2026-03-01T12:00:01Z", "expires_at": "2026-03-02T11:59:59Z"}
    verdict = judge({**EVENT, name: texts.get(name, "changed")})
    assert verdict.reason == OverrideReason.RISK_SIGNATURE
    assert verdict.path == "/risk_lead_signature"


@pytest.mark.parametrize("name", sorted(BASE))
@pytest.mark.parametrize("value", [None, "", 7, ["a"], "\ud800", "x" * 65_536])
def test_malformed_member_is_named(name: str, value: object) -> None:
    """The verdict says which member, never what was in it."""
    verdict = judge({**EVENT, name: value})
    assert verdict.reason == OverrideReason.MALFORMED
    assert verdict.path == f"/{name}"


@pytest.mark.parametrize("name", ["requested_at", "expires_at"])
@pytest.mark.parametrize(
    "text", ["2026-03-01", "2026-03-01T12:00:00+00:00", "2026-02-30T12:00:00Z", "2026-03-01T24:00:00Z"]
)
def test_times_have_one_form(name: str, text: str) -> None:
    """Two spellings of one time would be two hashes of one request."""
    assert judge({**EVENT, name: text}).reason == OverrideReason.MALFORMED


@pytest.mark.parametrize("expires", ["2026-03-02T12:00:01Z", "2026-03-01T12:00:00Z", "2026-03-01T11:00:00Z"])
def test_window_is_at_most_24_hours_and_not_empty(expires: str) -> None:
    """Both custodians agreeing to more does not make it right."""
    with pytest.raises(OverrideRefusedError) as caught:
        OverrideRequest.from_event({**BASE, "expires_at": expires})
    assert caught.value.reason == OverrideReason.WINDOW
    assert judge({**EVENT, "expires_at": expires}).reason == OverrideReason.WINDOW


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (BEGIN - dt.timedelta(minutes=5, seconds=1), OverrideReason.NOT_YET_VALID),
        (BEGIN - dt.timedelta(minutes=5), None),
        (BEGIN + dt.timedelta(hours=24, seconds=-1), None),
        (BEGIN + dt.timedelta(hours=24), OverrideReason.EXPIRED),
    ],
)
def test_override_counts_only_within_its_window(at: dt.datetime, reason: OverrideReason | None) -> None:
    """Five minutes are left for clocks that differ; the end is exact."""
    assert judge(EVENT, at=at).reason == reason


def test_one_signature_is_partial_and_none_is_pending() -> None:
    """A request on its way is told apart from a forged one."""
    partial = {name: value for name, value in EVENT.items() if name not in {"security_lead_signature", "combined_hash"}}
    assert judge(partial).reason == OverrideReason.PARTIAL
    assert judge(partial).risk_key == custodian_key_id(RISK.public)
    assert judge(partial).security_key == ""
    assert judge(BASE).reason == OverrideReason.PENDING
    assert judge(partial, at=BEGIN + dt.timedelta(days=2)).reason == OverrideReason.EXPIRED


@pytest.mark.parametrize("text", ["", "no base64", b64encode(bytes(63)), b64encode(bytes(65)), 5])
@pytest.mark.parametrize("name", ["risk_lead_signature", "security_lead_signature"])
def test_signature_of_another_form_is_malformed(name: str, text: object) -> None:
    """It is 64 bytes in canonical base64."""
    verdict = judge({**EVENT, name: text})
    assert (verdict.reason, verdict.path) == (OverrideReason.MALFORMED, f"/{name}")


def test_stranger_signs_for_no_role() -> None:
    """Each signature must be by a key of its own role."""
    assert judge(signed(BASE, risk=STRANGER.private)).reason == OverrideReason.RISK_SIGNATURE
    assert judge(signed(BASE, security=STRANGER.private)).reason == OverrideReason.SECURITY_SIGNATURE


def test_one_person_cannot_sign_for_both_roles() -> None:
    """By signing twice, or because a key was listed under both roles."""
    assert judge(signed(BASE, security=RISK.private)).reason == OverrideReason.SAME_SIGNER
    assert judge(signed(BASE, risk=SECURITY.private)).reason == OverrideReason.SAME_SIGNER
    both = [CustodianKey(RISK.public)]
    assert (
        judge(signed(BASE, security=RISK.private), keys=CustodianKeys(both, both)).reason == OverrideReason.SAME_SIGNER
    )


def test_swapped_signatures_are_refused() -> None:
    """Order is role."""
    swapped = signed(BASE, risk=SECURITY.private, security=RISK.private)
    assert judge(swapped).reason == OverrideReason.SAME_SIGNER


def test_revoked_key_counts_until_its_revocation() -> None:
    """An audit of old decisions must not condemn what was right when it was made."""
    keys = CustodianKeys([CustodianKey(RISK.public, AT)], [CustodianKey(SECURITY.public)])
    before = judge(EVENT, keys=keys, at=AT - dt.timedelta(seconds=1))
    assert before.verified
    after = judge(EVENT, keys=keys, at=AT)
    assert (after.reason, after.path) == (OverrideReason.REVOKED, "/risk_lead_signature")
    assert after.risk_key == custodian_key_id(RISK.public)


def test_signer_id_names_a_signer_of_this_event() -> None:
    """The readable member must not contradict the signature."""
    assert judge({**EVENT, "signer_id": custodian_key_id(RISK.public)}).verified
    for wrong in (custodian_key_id(STRANGER.public), "", None, 3, []):
        assert judge({**EVENT, "signer_id": wrong}).path == "/signer_id"


@pytest.mark.parametrize("value", [None, "", "0" * 64, 5])
def test_combined_hash_must_be_that_of_both_signatures(value: object) -> None:
    """A decision that was put together from two requests has another one."""
    verdict = judge({**EVENT, "combined_hash": value})
    assert (verdict.reason, verdict.path) == (OverrideReason.COMBINED_HASH, "/combined_hash")
    upper = str(EVENT["combined_hash"]).upper()
    assert judge({**EVENT, "combined_hash": upper}).reason == OverrideReason.COMBINED_HASH


def test_refusals_quote_no_value() -> None:
    """Justification and requester are personal data."""
    secret = "canary-4711"
    with pytest.raises(OverrideRefusedError) as caught:
        OverrideRequest.from_event({**BASE, "requested_by": secret, "requested_at": secret})
    assert secret not in str(caught.value)
    assert caught.value.__context__ is None
    assert secret not in repr(OverrideRequest.from_event({**BASE, "requested_by": secret}))
    with pytest.raises(OverrideRefusedError) as caught:
        OverrideRequest.from_event({**BASE, "requested_by": secret + "\ud800"}).message_hash()
    assert caught.value.__context__ is None


TEXT = st.text("aZ0=-:\ud800", max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*EVENT, "signer_id", "other"]), JSON))
def test_any_event_gets_a_verdict(changes: dict[str, object]) -> None:
    """Events come from a topic that others write: a verdict, never an exception."""
    event = {**EVENT, **changes}
    verdict = judge(event)
    assert verdict.verified == (
        all(event.get(name) == value for name, value in EVENT.items()) and "signer_id" not in event
    )


def test_marker_marks_overrides_and_removes_forged_marks() -> None:
    """Whoever writes to the raw topic must not be able to bring the mark along."""
    told: list[OverrideVerdict] = []
    marker = OverrideMarker(lambda: KEYS, clock=lambda: AT, on_verdict=told.append)
    forged = {"verified": True}
    assert marker({"other": 1, "override_verification": forged}) == {"other": 1}
    assert marker(dict(EVENT))["override_verification"] == {"verified": True}
    marked = marker({**EVENT, "requested_by": "another", "override_verification": forged})
    assert marked["override_verification"] == {
        "verified": False,
        "reason": "risk-signature",
        "path": "/risk_lead_signature",
    }
    assert [verdict.verified for verdict in told] == [True, False]


def test_marker_leaves_the_event_it_was_given() -> None:
    """Enrichers hand events on; they do not change what another still holds."""
    event = dict(EVENT)
    OverrideMarker(lambda: KEYS, clock=lambda: AT)(event)
    assert event == EVENT


def test_marker_judges_by_the_keys_of_the_moment() -> None:
    """Keys change while a process runs; its own clock is the default one."""
    keys = [CustodianKeys([], [])]
    marker = OverrideMarker(lambda: keys[0])
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    form = "%Y-%m-%dT%H:%M:%SZ"
    event = signed(
        {**BASE, "requested_at": now.strftime(form), "expires_at": (now + dt.timedelta(hours=2)).strftime(form)}
    )
    assert marker(event)["override_verification"] != {"verified": True}
    keys[0] = KEYS
    assert marker(event)["override_verification"] == {"verified": True}


def test_override_is_judged_before_encryption_and_behind_decryption() -> None:
    """In one pipeline with the encryptor; the reader judges again what it has opened, for the mark is public."""
    pair = HybridKEM.generate_keypair()
    version = "dek-v1-20260301"
    marker = OverrideMarker(lambda: KEYS, clock=lambda: AT)
    pipeline = TelemetryPipeline().add_enricher(marker)
    pipeline.add_enricher(create_pii_enricher(public_key=pair.public, dek_version=version))
    published = pipeline.process({**EVENT, "signer_id": custodian_key_id(RISK.public)})
    assert published["override_verification"] == {"verified": True}
    assert "_encrypted" in published["risk_lead_signature"]
    opened = create_pii_decryptor(private_key=pair.private, dek_version=version)(published)
    assert judge(dict(opened)).verified
    assert judge(dict(published)).reason == OverrideReason.MALFORMED

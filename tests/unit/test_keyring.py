"""The follower's rules: which manifests are taken, and what the keyring then says."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import (
    ConfigurationError,
    KeyRefusedError,
    KeyringStaleError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, EnvelopeSignature, Kind
from aegis_stream.keyring.entries import AgentEntry, CustodianEntry, DekState, KeyState, Role, SignerEntry
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.state_file import KnownSequence
from aegis_stream.keyring.view import Freshness
from aegis_stream.pii import Policy
from aegis_stream.wire import DekVersion
from tests.support.keyrings import (
    AGENT,
    ENRICHER,
    HOUR,
    KEK_PAIR,
    MINUTE,
    NOW,
    OTHER_AGENT,
    OTHER_ENRICHER,
    Deployment,
    offer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.keyring.manifest import Manifest


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


def refused(keyring: Keyring, value: bytes | None, *, now: dt.datetime = NOW) -> ManifestReason:
    """Offer a manifest that must be refused; nothing may have changed but the counter."""
    before, counted = keyring.view, keyring.refused.total()
    with pytest.raises(ManifestRefusedError) as refusal:
        keyring.offer("manifest", value, now=now)
    reason = ManifestReason(refusal.value.reason)
    assert keyring.view is before
    assert keyring.refused.total() == counted + 1
    assert keyring.last_refusal is refusal.value
    return reason


def test_new_keyring_knows_nothing(deployment: Deployment) -> None:
    """Nothing is assumed before the topic has spoken."""
    keyring = deployment.keyring()
    assert keyring.manifest is None
    assert keyring.active() is None
    assert keyring.freshness(NOW) is Freshness.ABSENT
    with pytest.raises(KeyringStaleError, match="there is none"):
        keyring.require_usable(NOW)


def test_first_manifest_is_taken(deployment: Deployment) -> None:
    """What the agent signed is what a writer gets."""
    keyring = deployment.following()
    active = keyring.active()
    assert active is not None
    assert active.version.text == "dek-v1-20260301"
    assert active.public_key.raw == deployment.records[active.version.text].public_key
    assert active.policy == Policy.default()
    assert active.signed
    assert keyring.missing() == ()
    assert keyring.record_value(active.version.text) == deployment.first.writes[0][1]
    keyring.require_usable(NOW)


def test_rotation_changes_the_active_version(deployment: Deployment) -> None:
    """The newest version is used as soon as its manifest is read, with its own policy."""
    keyring = deployment.following()
    before = keyring.generation
    offer(keyring, deployment.rotate(NOW + MINUTE, policy=Policy("wide", names=("iban",)), signed=False))
    active = keyring.active()
    assert active is not None
    assert (active.version.n, active.policy.id, active.signed) == (2, "wide", False)
    assert keyring.generation == before + 1


def test_fresh_manifest_leaves_the_generation(deployment: Deployment) -> None:
    """Every 5 minutes a manifest comes that says nothing new: no reader need judge its sessions anew."""
    keyring = deployment.following()
    active, generation = keyring.active(), keyring.generation
    offer(keyring, deployment.fresh(NOW + 5 * MINUTE))
    assert keyring.generation == generation
    assert keyring.active() is active
    assert keyring.manifest is not None
    assert keyring.manifest.sequence == 2


def test_same_record_again_is_no_attack(deployment: Deployment) -> None:
    """The agent heals an overwritten topic with the very bytes of its last manifest."""
    keyring = deployment.following()
    assert keyring.offer("manifest", deployment.first.writes[-1][1], now=NOW) is False
    assert keyring.refused.total() == 0


def test_unsigned_tombstoned_and_garbage_manifests_are_refused(deployment: Deployment) -> None:
    """Whoever may write to the topic is not trusted."""
    keyring = deployment.following()
    assert refused(keyring, None) is ManifestReason.ENVELOPE
    assert refused(keyring, b"") is ManifestReason.ENVELOPE
    assert refused(keyring, b"\x00\xff") is ManifestReason.ENVELOPE
    assert refused(keyring, deployment.manifest.to_payload()) is ManifestReason.ENVELOPE
    assert keyring.refused == {ManifestReason.ENVELOPE: 4}


def test_manifest_of_another_agent_is_refused(deployment: Deployment) -> None:
    """Only pinned keys count, whatever the keyid says."""
    keyring = deployment.following()
    value = deployment.sign(replace(deployment.manifest, sequence=2), OTHER_AGENT)
    assert refused(keyring, value) is ManifestReason.SIGNATURE
    envelope = Envelope.parse(value, Kind.MANIFEST)
    lying = replace(envelope, signatures=(EnvelopeSignature(AGENT.key_id, envelope.signatures[0].value),))
    assert refused(keyring, lying.to_bytes()) is ManifestReason.SIGNATURE


@pytest.mark.parametrize("half", [slice(0, 64), slice(64, None)], ids=["ed25519", "ml-dsa-44"])
def test_manifest_signed_by_half_of_the_key_is_refused(deployment: Deployment, half: slice) -> None:
    """Who broke one of the two algorithms forges nothing."""
    keyring = deployment.following()
    envelope = Envelope.parse(deployment.sign(replace(deployment.manifest, sequence=2)), Kind.MANIFEST)
    forged = bytearray(OTHER_AGENT.sign(envelope.message))
    forged[half] = envelope.signatures[0].value[half]
    value = replace(envelope, signatures=(EnvelopeSignature(AGENT.key_id, bytes(forged)),)).to_bytes()
    assert refused(keyring, value) is ManifestReason.SIGNATURE


def test_signature_of_another_manifest_is_refused(deployment: Deployment) -> None:
    """A payload is not moved under a signature that was made for another."""
    keyring = deployment.following()
    envelope = Envelope.parse(deployment.fresh(NOW).writes[-1][1], Kind.MANIFEST)
    other = replace(envelope, payload=replace(deployment.manifest, sequence=3).to_payload())
    assert refused(keyring, other.to_bytes()) is ManifestReason.SIGNATURE


def test_signed_nonsense_is_refused(deployment: Deployment) -> None:
    """A defect of the agent is no reason to take what cannot be."""
    keyring = deployment.following()
    value = Envelope.sign(Kind.MANIFEST, b'{"v":1}', [AGENT]).to_bytes()
    assert refused(keyring, value) is ManifestReason.PAYLOAD


def test_manifest_of_another_deployment_is_refused(deployment: Deployment) -> None:
    """One agent key for two deployments must not mix their keys."""
    keyring = deployment.following()
    value = deployment.sign(replace(deployment.manifest, sequence=2, deployment="other"))
    assert refused(keyring, value) is ManifestReason.DEPLOYMENT


@pytest.mark.parametrize("sequence", [1, 2, 4, 5])
def test_old_manifests_are_refused(deployment: Deployment, sequence: int) -> None:
    """A replayed manifest would bring a revoked key back."""
    keyring = deployment.following()
    offer(keyring, deployment.maker.fresh(deployment.manifest, now=NOW, above=4))
    value = deployment.sign(replace(deployment.manifest, sequence=sequence, issued_at=NOW - MINUTE))
    assert refused(keyring, value) is ManifestReason.SEQUENCE


def test_restart_does_not_accept_less_than_was_known(deployment: Deployment) -> None:
    """A broker that was rolled back shows itself to followers with a disk."""
    known = KnownSequence(3, "0" * 64)
    keyring = deployment.keyring(known=known)
    offer_records(keyring, deployment)
    assert refused(keyring, deployment.first.writes[-1][1]) is ManifestReason.SEQUENCE
    same_sequence = deployment.sign(replace(deployment.manifest, sequence=3))
    assert refused(keyring, same_sequence) is ManifestReason.SEQUENCE
    assert keyring.offer("manifest", deployment.sign(replace(deployment.manifest, sequence=4)), now=NOW)


def test_restart_takes_the_very_manifest_it_knew(deployment: Deployment) -> None:
    """The ordinary restart: nothing has happened meanwhile."""
    keyring = deployment.keyring(known=deployment.first.known)
    offer(keyring, deployment.first)
    assert keyring.active() is not None


def offer_records(keyring: Keyring, deployment: Deployment) -> None:
    """Let a keyring read the DEK records alone."""
    for record in deployment.records.values():
        keyring.offer(record.key, record.to_bytes(), now=NOW)


def test_expired_manifest_is_refused_by_newcomers(deployment: Deployment) -> None:
    """An old manifest, replayed to a process that has just started, is soon refused; the message names the clock."""
    keyring = deployment.keyring()
    assert refused(keyring, deployment.first.writes[-1][1], now=NOW + HOUR) is ManifestReason.EXPIRED
    assert "expired 0 s ago by this machine's clock" in str(keyring.last_refusal)
    assert keyring.offer("manifest", deployment.first.writes[-1][1], now=NOW + HOUR - dt.timedelta(seconds=1))


def test_agent_takes_its_own_expired_manifest(deployment: Deployment) -> None:
    """After an outage the agent must go on from the last manifest, however old."""
    keyring = deployment.keyring(accept_expired=True)
    offer(keyring, deployment.first, now=NOW + 1000 * HOUR)
    assert keyring.manifest == deployment.manifest
    assert keyring.freshness(NOW + 1000 * HOUR) is Freshness.EXPIRED


def test_clock_an_hour_off_is_told(deployment: Deployment) -> None:
    """The commonest trouble must not look like an attack."""
    behind = deployment.keyring()
    assert refused(behind, deployment.first.writes[-1][1], now=NOW - HOUR) is ManifestReason.NOT_YET_VALID
    assert "issued 3600 s in the future of this machine's clock" in str(behind.last_refusal)
    assert behind.last_refusal is not None
    assert "clock" in behind.last_refusal.remedy
    ahead = deployment.keyring()
    assert refused(ahead, deployment.first.writes[-1][1], now=NOW + 2 * HOUR) is ManifestReason.EXPIRED
    assert ahead.last_refusal is not None
    assert "clock" in ahead.last_refusal.remedy


@pytest.mark.parametrize(("skew_s", "taken"), [(300, True), (301, False)])
def test_small_skew_is_allowed(deployment: Deployment, skew_s: int, taken: bool) -> None:  # noqa: FBT001 - a case table
    """Five minutes are forgiven, no more."""
    keyring = deployment.keyring()
    now = NOW - dt.timedelta(seconds=skew_s)
    if taken:
        assert keyring.offer("manifest", deployment.first.writes[-1][1], now=now)
    else:
        assert refused(keyring, deployment.first.writes[-1][1], now=now) is ManifestReason.NOT_YET_VALID


def test_running_follower_keeps_an_expired_manifest_for_the_grace(deployment: Deployment) -> None:
    """An outage of the agent costs no event for a day; then nothing passes."""
    keyring = deployment.following(grace_s=7200)
    second = dt.timedelta(seconds=1)
    assert keyring.freshness(NOW + HOUR - second) is Freshness.FRESH
    assert keyring.freshness(NOW + HOUR) is Freshness.GRACE
    keyring.require_usable(NOW + 3 * HOUR - second)
    assert keyring.freshness(NOW + 3 * HOUR) is Freshness.EXPIRED
    with pytest.raises(KeyringStaleError, match="expired at 2026-03-01T13:00:00Z"):
        keyring.require_usable(NOW + 3 * HOUR)


def test_strict_has_no_grace(deployment: Deployment) -> None:
    """A withheld revocation binds a strict writer after the life of one manifest."""
    keyring = deployment.following(grace_s=0)
    assert keyring.freshness(NOW + HOUR) is Freshness.EXPIRED


def test_follower_recovers_from_the_grace(deployment: Deployment) -> None:
    """A fresh manifest after an outage ends the hold by itself."""
    keyring = deployment.following(grace_s=0)
    later = NOW + 100 * HOUR
    offer(keyring, deployment.fresh(later), now=later)
    assert keyring.freshness(later) is Freshness.FRESH


def unrevoke(manifest: Manifest) -> Manifest:
    """Open a revoked DEK again."""
    return replace(manifest, deks=(replace(manifest.deks[0], state=DekState.DECRYPT_ONLY), *manifest.deks[1:]))


def unsign(manifest: Manifest) -> Manifest:
    """Say of an old DEK that its sessions need no signature."""
    return replace(manifest, deks=(replace(manifest.deks[0], signed=False), *manifest.deks[1:]))


def narrow_policy(manifest: Manifest) -> Manifest:
    """Exclude a field under the id of a policy that is in use."""
    return replace(manifest, policies=(Policy("default", exclude=("actor_id",)),))


def lower_minimum(manifest: Manifest) -> Manifest:
    """Let versions below the minimum be used again."""
    return replace(manifest, minimum_version=manifest.deks[0].version)


def unrevoke_enricher(manifest: Manifest) -> Manifest:
    """Bring a revoked enricher back."""
    return replace(manifest, enrichers=(SignerEntry(ENRICHER.public, KeyState.CURRENT, 1), manifest.enrichers[1]))


def widen_enricher(manifest: Manifest) -> Manifest:
    """Let a retired enricher sign for later DEKs."""
    return replace(manifest, enrichers=(manifest.enrichers[0], replace(manifest.enrichers[1], last_n=9)))


def widen_enricher_backwards(manifest: Manifest) -> Manifest:
    """Let an enricher sign for DEKs that are older than its enrolment."""
    return replace(manifest, enrichers=(manifest.enrichers[0], replace(manifest.enrichers[1], first_n=1)))


GOING_BACK: dict[str, Callable[[Manifest], Manifest]] = {
    "a DEK disappears": lambda manifest: replace(manifest, deks=manifest.deks[1:]),
    "a revoked DEK opens again": unrevoke,
    "sessions need no signature any more": unsign,
    "a policy changes under its id": narrow_policy,
    "the minimum goes down": lower_minimum,
    "an enricher disappears": lambda manifest: replace(manifest, enrichers=()),
    "a revoked enricher comes back": unrevoke_enricher,
    "a retired enricher signs on": widen_enricher,
    "an enricher signs older DEKs": widen_enricher_backwards,
    "a custodian disappears": lambda manifest: replace(manifest, custodians=manifest.custodians[1:]),
    "a revoked custodian comes back": lambda manifest: replace(
        manifest, custodians=(replace(manifest.custodians[0], state=KeyState.CURRENT, revoked_at=None),)
    ),
    "an agent key disappears": lambda manifest: replace(manifest, agents=manifest.agents[:1]),
}


@pytest.mark.parametrize("change", GOING_BACK.values(), ids=GOING_BACK.keys())
def test_nothing_goes_back(deployment: Deployment, change: Callable[[Manifest], Manifest]) -> None:
    """Even the agent's own signature does not undo a revocation."""
    keyring = deployment.following()
    first = deployment.active
    offer(keyring, deployment.rotate(NOW))
    offer(
        keyring,
        deployment.amend(
            NOW,
            minimum_version=deployment.manifest.active.version,
            agents=(*deployment.manifest.agents, AgentEntry(OTHER_AGENT.public, KeyState.CURRENT)),
            custodians=(CustodianEntry(Role.RISK_LEAD, b"r" * 32, KeyState.REVOKED, NOW, NOW),),
            enrichers=(
                SignerEntry(ENRICHER.public, KeyState.REVOKED, 1, None, NOW),
                SignerEntry(OTHER_ENRICHER.public, KeyState.RETIRED, 2, 2),
            ),
        ),
    )
    offer(keyring, deployment.set_state(first, DekState.REVOKED, NOW))
    manifest = change(replace(deployment.manifest, sequence=9))
    assert refused(keyring, deployment.sign(manifest)) is ManifestReason.TRANSITION


def test_new_dek_needs_a_higher_number(deployment: Deployment) -> None:
    """A version slipped in below the active one would be one that no rotation made."""
    deployment.rotate(NOW)
    deployment.rotate(NOW)
    first, second, third = deployment.manifest.deks
    keyring = deployment.keyring()
    keyring.offer("manifest", deployment.sign(replace(deployment.manifest, deks=(first, third))), now=NOW)
    slipped_in = replace(deployment.manifest, sequence=9, deks=(first, second, third))
    assert refused(keyring, deployment.sign(slipped_in)) is ManifestReason.TRANSITION


def test_retired_agent_key_signs_nothing_more(deployment: Deployment) -> None:
    """Both keys are pinned during a replacement; once the manifest retires the old one it is out."""
    keyring = deployment.keyring(pinned=[AGENT, OTHER_AGENT])
    offer(keyring, deployment.first)
    agents = (AgentEntry(AGENT.public, KeyState.RETIRED), AgentEntry(OTHER_AGENT.public, KeyState.CURRENT))
    offer(keyring, deployment.amend(NOW, agents=agents))
    assert refused(keyring, deployment.fresh(NOW).writes[-1][1]) is ManifestReason.SIGNATURE
    value = deployment.sign(replace(deployment.manifest, sequence=10), OTHER_AGENT)
    assert keyring.offer("manifest", value, now=NOW)


def test_replaced_public_key_is_not_used(deployment: Deployment) -> None:
    """Whoever writes a DEK record of his own gets no event: the manifest names the hash."""
    keyring = deployment.following()
    mine = DekRecord(DekVersion.parse(deployment.active), HybridKEM.generate_keypair().public, {})
    genuine = keyring.active()
    assert keyring.offer(mine.key, mine.to_bytes(), now=NOW) is False
    assert keyring.active() is genuine
    newcomer = deployment.keyring()
    newcomer.offer(*deployment.first.writes[0], now=NOW)
    newcomer.offer(mine.key, mine.to_bytes(), now=NOW)
    newcomer.offer(*deployment.first.writes[-1], now=NOW)
    active = newcomer.active()
    assert active is not None
    assert active.public_key.raw == deployment.records[deployment.active].public_key


def test_manifest_without_its_record_binds_and_names_no_key(deployment: Deployment) -> None:
    """A revocation must hold even if the new record was flooded away; the old version is not used for it."""
    keyring = deployment.following()
    change = deployment.rotate(NOW)
    keyring.offer(*change.writes[-1], now=NOW)
    assert keyring.manifest == change.manifest
    assert keyring.active() is None
    assert keyring.missing() == (deployment.active,)
    before = keyring.generation
    assert keyring.offer(*change.writes[0], now=NOW) is True
    assert keyring.missing() == ()
    assert keyring.active() is not None
    assert keyring.generation == before + 1


def test_named_record_survives_a_flood(deployment: Deployment) -> None:
    """Four foreign values, or four thousand, do not push out what the manifest names."""
    keyring = deployment.following()
    for number in range(20):
        keyring.offer(f"dek/{deployment.active}", b"garbage %d" % number, now=NOW)
    keyring.offer(f"dek/{deployment.active}", None, now=NOW)
    offer(keyring, deployment.fresh(NOW))
    assert keyring.active() is not None
    assert keyring.record_value(deployment.active) == deployment.first.writes[0][1]


def test_last_four_values_are_kept_for_the_next_manifest(deployment: Deployment) -> None:
    """A rewrap is never half seen: its records come before the manifest that names them."""
    keyring = deployment.following()
    change = deployment.rotate(NOW)
    keyring.offer(*change.writes[0], now=NOW)
    for number in range(3):
        keyring.offer(change.writes[0][0], b"garbage %d" % number, now=NOW)
    keyring.offer(*change.writes[-1], now=NOW)
    assert keyring.active() is not None
    late = deployment.rotate(NOW)
    keyring.offer(*late.writes[0], now=NOW)
    for number in range(4):
        keyring.offer(late.writes[0][0], b"garbage %d" % number, now=NOW)
    keyring.offer(*late.writes[-1], now=NOW)
    assert keyring.active() is None


def test_record_that_is_named_and_malformed_is_not_used(deployment: Deployment) -> None:
    """A defect of the agent is counted, and the version stays without a key."""
    value = b'{"v":1}'
    entry = replace(deployment.manifest.active, record_sha256=record_hash(value))
    manifest = replace(deployment.manifest, deks=(entry,))
    keyring = deployment.keyring()
    keyring.offer(f"dek/{deployment.active}", value, now=NOW)
    keyring.offer("manifest", deployment.sign(manifest), now=NOW)
    assert keyring.active() is None
    assert keyring.refused == {ManifestReason.PAYLOAD: 1}


def record_hash(value: bytes) -> str:
    """Return SHA-256 by another way than the code under test."""
    return hashlib.sha256(value).hexdigest()


def test_record_under_another_version_is_not_used(deployment: Deployment) -> None:
    """The version inside must be the one of the key."""
    record = DekRecord.generate(DekVersion.parse("dek-v7-20260301"), [KEK_PAIR.public])
    entry = replace(deployment.manifest.active, record_sha256=record.sha256)
    keyring = deployment.keyring()
    keyring.offer(f"dek/{deployment.active}", record.to_bytes(), now=NOW)
    keyring.offer("manifest", deployment.sign(replace(deployment.manifest, deks=(entry,))), now=NOW)
    assert keyring.active() is None


@pytest.mark.parametrize("key", ["command/x", "approval/x/risk-lead", "rejection/x/y", "rewrap/x/y", "result/x"])
def test_records_of_others_are_passed_over(deployment: Deployment, key: str) -> None:
    """Operators write to this topic as well; followers do not judge what is not theirs."""
    keyring = deployment.following()
    assert keyring.offer(key, b"anything", now=NOW) is False
    assert keyring.offer(key, None, now=NOW) is False
    assert keyring.refused.total() == 0


@pytest.mark.parametrize("key", [None, "", "Manifest", "manifest/", "garbage"])
def test_records_without_a_place_are_counted(deployment: Deployment, key: str | None) -> None:
    """Garbage on the topic is shown, and harms nothing."""
    keyring = deployment.following()
    with pytest.raises(ManifestRefusedError):
        keyring.offer(key, b"anything", now=NOW)
    assert keyring.refused == {ManifestReason.ENVELOPE: 1}
    assert keyring.active() is not None


@pytest.mark.parametrize("key", ["dek/", "dek/x", "dek/dek-v0-20260301", "dek/dek-v1-20260230"])
def test_records_of_no_version_are_let_go(deployment: Deployment, key: str) -> None:
    """Keys that no DEK can have take no memory."""
    keyring = deployment.following()
    assert keyring.offer(key, b"anything", now=NOW) is False


def test_keyring_needs_a_sound_agent_key() -> None:
    """Without a pinned key nothing could be trusted."""
    with pytest.raises(ConfigurationError, match="no public key"):
        Keyring(deployment="test", agent_keys=[])
    with pytest.raises(KeyRefusedError):
        Keyring(deployment="test", agent_keys=[b"short"])


def test_refusals_quote_nothing(deployment: Deployment) -> None:
    """The topic's content is an attacker's: it stays out of messages and logs."""
    keyring = deployment.following()
    for value in (
        b'{"payload":"CANARY"}',
        b"CANARY",
        Envelope.sign(Kind.MANIFEST, b'{"CANARY":1}', [AGENT]).to_bytes(),
    ):
        with pytest.raises(ManifestRefusedError) as refusal:
            keyring.offer("manifest", value, now=NOW)
        assert "CANARY" not in f"{refusal.value!r} {refusal.value.__context__!r} {refusal.value.remedy}"

"""The follower's rules: which manifests are taken, and what the keyring then says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aegis_stream.errors import (
    ConfigurationError,
    KeyRefusedError,
    KeyringStaleError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.dsse import Envelope, EnvelopeSignature, Kind
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.state_file import KnownSequence
from aegis_stream.keyring.view import Freshness
from aegis_stream.pii import Policy
from tests.support.keyrings import (
    AGENT,
    MINUTE,
    NOW,
    OTHER_AGENT,
    Deployment,
    offer,
    refused_manifest,
)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


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
    assert refused_manifest(keyring, None) is ManifestReason.ENVELOPE
    assert refused_manifest(keyring, b"") is ManifestReason.ENVELOPE
    assert refused_manifest(keyring, b"\x00\xff") is ManifestReason.ENVELOPE
    assert refused_manifest(keyring, deployment.manifest.to_payload()) is ManifestReason.ENVELOPE
    assert keyring.refused == {ManifestReason.ENVELOPE: 4}


def test_manifest_of_another_agent_is_refused(deployment: Deployment) -> None:
    """Only pinned keys count, whatever the keyid says."""
    keyring = deployment.following()
    value = deployment.sign(replace(deployment.manifest, sequence=2), OTHER_AGENT)
    assert refused_manifest(keyring, value) is ManifestReason.SIGNATURE
    envelope = Envelope.parse(value, Kind.MANIFEST)
    lying = replace(envelope, signatures=(EnvelopeSignature(AGENT.key_id, envelope.signatures[0].value),))
    assert refused_manifest(keyring, lying.to_bytes()) is ManifestReason.SIGNATURE


@pytest.mark.parametrize("half", [slice(0, 64), slice(64, None)], ids=["ed25519", "ml-dsa-44"])
def test_manifest_signed_by_half_of_the_key_is_refused(deployment: Deployment, half: slice) -> None:
    """Who broke one of the two algorithms forges nothing."""
    keyring = deployment.following()
    envelope = Envelope.parse(deployment.sign(replace(deployment.manifest, sequence=2)), Kind.MANIFEST)
    forged = bytearray(OTHER_AGENT.sign(envelope.message))
    forged[half] = envelope.signatures[0].value[half]
    value = replace(envelope, signatures=(EnvelopeSignature(AGENT.key_id, bytes(forged)),)).to_bytes()
    assert refused_manifest(keyring, value) is ManifestReason.SIGNATURE


def test_signature_of_another_manifest_is_refused(deployment: Deployment) -> None:
    """A payload is not moved under a signature that was made for another."""
    keyring = deployment.following()
    envelope = Envelope.parse(deployment.fresh(NOW).writes[-1][1], Kind.MANIFEST)
    other = replace(envelope, payload=replace(deployment.manifest, sequence=3).to_payload())
    assert refused_manifest(keyring, other.to_bytes()) is ManifestReason.SIGNATURE


def test_signed_nonsense_is_refused(deployment: Deployment) -> None:
    """A defect of the agent is no reason to take what cannot be."""
    keyring = deployment.following()
    value = Envelope.sign(Kind.MANIFEST, b'{"v":1}', [AGENT]).to_bytes()
    assert refused_manifest(keyring, value) is ManifestReason.PAYLOAD


def test_manifest_of_another_deployment_is_refused(deployment: Deployment) -> None:
    """One agent key for two deployments must not mix their keys."""
    keyring = deployment.following()
    value = deployment.sign(replace(deployment.manifest, sequence=2, deployment="other"))
    assert refused_manifest(keyring, value) is ManifestReason.DEPLOYMENT


@pytest.mark.parametrize("sequence", [1, 2, 4, 5])
def test_old_manifests_are_refused(deployment: Deployment, sequence: int) -> None:
    """A replayed manifest would bring a revoked key back."""
    keyring = deployment.following()
    offer(keyring, deployment.maker.fresh(deployment.manifest, now=NOW, above=4))
    value = deployment.sign(replace(deployment.manifest, sequence=sequence, issued_at=NOW - MINUTE))
    assert refused_manifest(keyring, value) is ManifestReason.SEQUENCE


def test_restart_does_not_accept_less_than_was_known(deployment: Deployment) -> None:
    """A broker that was rolled back shows itself to followers with a disk."""
    known = KnownSequence(3, "0" * 64)
    keyring = deployment.keyring(known=known)
    offer_records(keyring, deployment)
    assert refused_manifest(keyring, deployment.first.writes[-1][1]) is ManifestReason.SEQUENCE
    same_sequence = deployment.sign(replace(deployment.manifest, sequence=3))
    assert refused_manifest(keyring, same_sequence) is ManifestReason.SEQUENCE
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
    assert keyring.last_refusal is None


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


def test_last_refusal_is_forgotten_once_a_manifest_is_taken(deployment: Deployment) -> None:
    """It says why there is no newer manifest; an attack of last month is no reason."""
    keyring = deployment.following()
    refused_manifest(keyring, b"garbage")
    assert keyring.last_refusal is not None
    offer(keyring, deployment.fresh(NOW))
    assert keyring.last_refusal is None
    assert keyring.refused == {ManifestReason.ENVELOPE: 1}

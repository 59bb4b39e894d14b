"""DEK records: only what the manifest names is used, whatever else is written."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from aegis_stream.errors import (
    ManifestReason,
)
from aegis_stream.hybrid import HybridKEM
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.wire import DekVersion
from tests.support.keyrings import (
    KEK_PAIR,
    NOW,
    Deployment,
    offer,
)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


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


@pytest.mark.parametrize("key", ["dek/", "dek/x", "dek/dek-v0-20260301", "dek/dek-v1-20260230"])
def test_records_of_no_version_are_let_go(deployment: Deployment, key: str) -> None:
    """Keys that no DEK can have take no memory."""
    keyring = deployment.following()
    assert keyring.offer(key, b"anything", now=NOW) is False

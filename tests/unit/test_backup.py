"""A backup is believed only where a follower would believe the same records."""

from __future__ import annotations

import base64
import json

import pytest

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.keyring.backup import Backup
from aegis_stream.keyring.entries import DekState
from tests.support.keyrings import AGENT, HOUR, MINUTE, NOW, OTHER_AGENT, Deployment, offer


def backed_up() -> tuple[Deployment, Backup]:
    """Make a deployment of three DEKs, the first one destroyed, and its backup."""
    deployment = Deployment()
    keyring = deployment.following()
    first = deployment.active
    for change in (
        deployment.rotate(NOW + MINUTE),
        deployment.set_state(first, DekState.DESTROYED, NOW + 2 * MINUTE),
        deployment.rotate(NOW + 3 * MINUTE),
    ):
        offer(keyring, change)
    return deployment, Backup.of(keyring)


def test_backup_comes_back_whole() -> None:
    """Also after the manifest in it has expired."""
    deployment, backup = backed_up()
    again = Backup.from_bytes(backup.to_bytes())
    assert again == backup
    manifest = again.verified(deployment=deployment.name, agent_keys=[AGENT.public], now=NOW + 100 * HOUR)
    assert manifest.active.version.text == deployment.active
    assert [key for key, _ in again.writes] == [*(f"dek/{entry.version}" for entry in manifest.deks), "manifest"]


def test_half_a_topic_makes_no_backup() -> None:
    """It would be found out on the day it is needed."""
    with pytest.raises(ManifestRefusedError, match="manifest is missing"):
        Backup.of(Deployment().keyring())
    deployment = Deployment()
    keyring = deployment.keyring()
    keyring.offer("manifest", deployment.first.writes[-1][1], now=NOW)
    with pytest.raises(ManifestRefusedError, match=deployment.active):
        Backup.of(keyring)


def test_foreign_or_changed_backup_is_refused() -> None:
    """Another agent, another deployment, a record exchanged, left out or added."""
    deployment, backup = backed_up()
    with pytest.raises(ManifestRefusedError) as refusal:
        backup.verified(deployment=deployment.name, agent_keys=[OTHER_AGENT.public], now=NOW + HOUR)
    assert refusal.value.reason == ManifestReason.SIGNATURE
    with pytest.raises(ManifestRefusedError) as refusal:
        backup.verified(deployment="other", agent_keys=[AGENT.public], now=NOW + HOUR)
    assert refusal.value.reason == ManifestReason.DEPLOYMENT
    foreign = Deployment().first.writes[0]
    last_key = backup.records[-1][0]
    for records in (
        backup.records[:-1],
        (*backup.records[:-1], (last_key, foreign[1])),
        (*backup.records, ("dek/dek-v9-20260301", foreign[1])),
    ):
        with pytest.raises(ManifestRefusedError) as refusal:
            Backup(records, backup.manifest).verified(
                deployment=deployment.name, agent_keys=[AGENT.public], now=NOW + HOUR
            )
        assert refusal.value.reason == ManifestReason.HASH


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"deks": {}}, {"deks": [{"record": "AAAA"}]}, {"manifest": "A"}, {"note": ""}],
    ids=["version", "deks", "record", "base64", "member"],
)
def test_what_is_no_backup_is_refused(change: dict[str, object]) -> None:
    """Any other file in its place."""
    shape = json.loads(backed_up()[1].to_bytes())
    base64.b64decode(shape["manifest"])
    with pytest.raises(ManifestRefusedError) as refusal:
        Backup.from_bytes(json.dumps({**shape, **change}).encode())
    assert refusal.value.reason == ManifestReason.PAYLOAD

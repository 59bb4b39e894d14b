"""Making manifests, keeping state files and guarding records: the pure half of the agent."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import ConfigurationError, KeyRefusedError, ManifestReason, ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord, record_sha256
from aegis_stream.keyring.entries import DekState, ExecutedCommand
from aegis_stream.keyring.guard import RecordGuard
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.keyring.state_file import KnownSequence, KnownState, StateFile
from aegis_stream.pii import Policy
from tests.support.keyrings import AGENT, HOUR, KEK_PAIR, MINUTE, NOW, Deployment, offer

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


def test_first_change_is_one_dek_and_sequence_one(deployment: Deployment) -> None:
    """`keys init` writes this and nobody else does; the manifest comes last."""
    manifest = deployment.first.manifest
    assert [key for key, _ in deployment.first.writes] == ["dek/dek-v1-20260301", "manifest"]
    assert (manifest.sequence, manifest.issued_at, manifest.expires_at) == (1, NOW, NOW + HOUR)
    assert manifest.active.signed
    assert manifest.current_kek.public_key == KEK_PAIR.public


def test_deployment_without_enrichers_does_not_demand_signatures() -> None:
    """Nobody could sign there."""
    change = ManifestMaker(AGENT).first(
        deployment="test", kek_public_key=KEK_PAIR.public, policy=Policy.default(), enrichers=(), now=NOW
    )
    assert not change.manifest.active.signed


def test_bad_kek_is_refused_before_anything_is_made() -> None:
    """A DEK under a broken KEK could never be opened."""
    with pytest.raises(KeyRefusedError):
        ManifestMaker(AGENT).first(
            deployment="test", kek_public_key=b"\xff" * 1216, policy=Policy.default(), enrichers=(), now=NOW
        )


def test_fresh_manifest_says_the_same_later(deployment: Deployment) -> None:
    """Only sequence, times and expired command ids change."""
    executed = (ExecutedCommand(COMMAND, NOW + HOUR), ExecutedCommand(COMMAND.replace("0", "1", 1), NOW + 3 * HOUR))
    deployment.amend(NOW, executed=executed)
    before = deployment.manifest
    later = NOW + 2 * HOUR
    change = deployment.fresh(later.replace(microsecond=999))
    expected = replace(before, sequence=3, issued_at=later, expires_at=later + HOUR, executed=(before.executed[1],))
    assert change.manifest == expected
    assert len(change.writes) == 1


def test_sequence_goes_above_all_that_may_have_been_seen(deployment: Deployment) -> None:
    """Killed between writing the state file and publishing, the agent uses no sequence twice."""
    assert deployment.maker.fresh(deployment.manifest, now=NOW, above=7).manifest.sequence == 8
    assert deployment.maker.fresh(deployment.manifest, now=NOW, above=0).manifest.sequence == 2


def test_maker_refuses_to_go_back(deployment: Deployment) -> None:
    """What followers would refuse is not published."""
    deployment.rotate(NOW)
    with pytest.raises(ManifestRefusedError) as refused:
        deployment.maker.change(
            deployment.manifest, replace(deployment.first.manifest, sequence=9), (), now=NOW + MINUTE
        )
    assert refused.value.reason == ManifestReason.TRANSITION


def test_maker_refuses_records_that_are_not_named(deployment: Deployment) -> None:
    """A record without its manifest's word would never be used."""
    stray = DekRecord.generate(deployment.manifest.active.version, [KEK_PAIR.public])
    with pytest.raises(ManifestRefusedError) as refused:
        deployment.maker.change(deployment.manifest, deployment.manifest, [stray], now=NOW)
    assert refused.value.reason == ManifestReason.HASH


def test_destruction_drops_every_wrap(deployment: Deployment) -> None:
    """After crypto-shredding the current state holds no wrap, and readers agree."""
    keyring = deployment.following()
    first = deployment.active
    offer(keyring, deployment.rotate(NOW))
    offer(keyring, deployment.set_state(first, DekState.DESTROYED, NOW))
    assert keyring.view.records[first].wraps == {}


def known(sequence: int) -> KnownSequence:
    """Return a manifest that a state file may name."""
    return KnownSequence(sequence, f"{sequence:064x}")


def test_state_file_goes_round(tmp_path: Path) -> None:
    """A missing file is an empty state; what was stored comes back, mode and folder private."""
    file = StateFile(tmp_path / "deep" / "agent.json", deployment="test")
    assert file.load() == KnownState()
    for state in (KnownState(known(1)), KnownState(known(1), known(2)), KnownState(None, known(1)), KnownState()):
        file.store(state)
        assert StateFile(file.path, deployment="test").load() == state
    assert sorted(path.name for path in file.path.parent.iterdir()) == ["agent.json"]


def test_state_file_names_the_highest_sequence() -> None:
    """What was intended may have been published before the process died."""
    assert KnownState().highest_sequence == 0
    assert KnownState(known(4)).highest_sequence == 4
    assert KnownState(known(4), known(5)).highest_sequence == 5


def test_state_file_is_synced_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut after publishing must not leave an older state behind."""
    synced: list[bool] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(_is_folder(descriptor)), real(descriptor))[1])
    StateFile(tmp_path / "agent.json", deployment="test").store(KnownState(known(1)))
    assert synced == [False, True]


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"garbage", b'{"v":2,"deployment":"test"}', b'{"v":1,"deployment":"test","published":{"sequence":0}}'],
)
def test_damaged_state_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """It guards against a rollback: losing it silently would be one."""
    path = tmp_path / "agent.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        StateFile(path, deployment="test").load()


def test_state_file_of_another_deployment_is_refused(tmp_path: Path) -> None:
    """Sequences of two deployments say nothing of each other."""
    path = tmp_path / "agent.json"
    StateFile(path, deployment="other").store(KnownState(known(1)))
    with pytest.raises(ConfigurationError, match="of another deployment"):
        StateFile(path, deployment="test").load()


def test_state_file_that_cannot_be_written_or_read_is_told(tmp_path: Path) -> None:
    """The agent must not publish what it cannot remember."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        StateFile(tmp_path / "file" / "agent.json", deployment="test").store(KnownState())
    with pytest.raises(ConfigurationError, match="cannot be read"):
        StateFile(tmp_path, deployment="test").load()


def test_change_is_known_by_the_hash_of_its_record(deployment: Deployment) -> None:
    """The state file names the very bytes on the topic."""
    assert deployment.first.known == KnownSequence(1, record_sha256(deployment.first.writes[-1][1]))


GENUINE = {"manifest": b"m", "dek/dek-v1-20260301": b"d"}


def test_guard_sees_what_was_overwritten() -> None:
    """Another value, a tombstone, or nothing at all where a record should stand."""
    guard = RecordGuard()
    assert dict(guard.overwritten(GENUINE)) == GENUINE
    guard.saw("manifest", b"m", 0)
    guard.saw("dek/dek-v1-20260301", b"d", 1)
    assert guard.overwritten(GENUINE) == ()
    guard.saw("manifest", b"forged", 2)
    assert guard.overwritten(GENUINE) == (("manifest", b"m"),)
    guard.saw("dek/dek-v1-20260301", None, 3)
    assert dict(guard.overwritten(GENUINE)) == GENUINE


def test_guard_is_not_fooled_by_the_order_of_reading() -> None:
    """A forged record that stands before our newest one is already overwritten when it is read."""
    guard = RecordGuard()
    guard.saw("manifest", b"m", 10)
    guard.saw("manifest", b"forged", 9)
    guard.saw("dek/dek-v1-20260301", b"d", 8)
    assert guard.overwritten(GENUINE) == ()
    guard.saw("manifest", b"m", 10)
    assert guard.overwritten(GENUINE) == ()


def test_guard_forgets_keys_that_are_not_the_agents() -> None:
    """Anybody may write under ever new keys."""
    guard = RecordGuard()
    for number in range(100):
        guard.saw(f"dek/dek-v{number + 2}-20260301", b"x", number)
    guard.saw("manifest", b"m", 100)
    guard.forget_others(GENUINE)
    assert list(guard._last) == ["manifest"]

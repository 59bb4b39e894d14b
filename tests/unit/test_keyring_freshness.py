"""A manifest's age: newcomers, graces, strictness and clocks that are off."""

from __future__ import annotations

import datetime as dt

import pytest

from aegis_stream.errors import (
    KeyringStaleError,
    ManifestReason,
)
from aegis_stream.keyring.view import Freshness
from tests.support.keyrings import (
    HOUR,
    NOW,
    Deployment,
    offer,
    refused_manifest,
)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


def test_expired_manifest_is_refused_by_newcomers(deployment: Deployment) -> None:
    """An old manifest, replayed to a process that has just started, is soon refused; the message names the clock."""
    keyring = deployment.keyring()
    assert refused_manifest(keyring, deployment.first.writes[-1][1], now=NOW + HOUR) is ManifestReason.EXPIRED
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
    assert refused_manifest(behind, deployment.first.writes[-1][1], now=NOW - HOUR) is ManifestReason.NOT_YET_VALID
    assert "issued 3600 s in the future of this machine's clock" in str(behind.last_refusal)
    assert behind.last_refusal is not None
    assert "clock" in behind.last_refusal.remedy
    ahead = deployment.keyring()
    assert refused_manifest(ahead, deployment.first.writes[-1][1], now=NOW + 2 * HOUR) is ManifestReason.EXPIRED
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
        assert refused_manifest(keyring, deployment.first.writes[-1][1], now=now) is ManifestReason.NOT_YET_VALID


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

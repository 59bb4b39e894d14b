"""Nothing goes back: what may follow a manifest, and whose signature still counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import (
    ManifestReason,
)
from aegis_stream.keyring.entries import AgentEntry, CustodianEntry, DekState, KeyState, Role, SignerEntry
from aegis_stream.pii import Policy
from tests.support.keyrings import (
    AGENT,
    ENRICHER,
    NOW,
    OTHER_AGENT,
    OTHER_ENRICHER,
    Deployment,
    offer,
    refused_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aegis_stream.keyring.manifest import Manifest


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


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
    assert refused_manifest(keyring, deployment.sign(manifest)) is ManifestReason.TRANSITION


def test_new_dek_needs_a_higher_number(deployment: Deployment) -> None:
    """A version slipped in below the active one would be one that no rotation made."""
    deployment.rotate(NOW)
    deployment.rotate(NOW)
    first, second, third = deployment.manifest.deks
    keyring = deployment.keyring()
    keyring.offer("manifest", deployment.sign(replace(deployment.manifest, deks=(first, third))), now=NOW)
    slipped_in = replace(deployment.manifest, sequence=9, deks=(first, second, third))
    assert refused_manifest(keyring, deployment.sign(slipped_in)) is ManifestReason.TRANSITION


def test_retired_agent_key_signs_nothing_more(deployment: Deployment) -> None:
    """Both keys are pinned during a replacement; once the manifest retires the old one it is out."""
    keyring = deployment.keyring(pinned=[AGENT, OTHER_AGENT])
    offer(keyring, deployment.first)
    agents = (AgentEntry(AGENT.public, KeyState.RETIRED), AgentEntry(OTHER_AGENT.public, KeyState.CURRENT))
    offer(keyring, deployment.amend(NOW, agents=agents))
    assert refused_manifest(keyring, deployment.fresh(NOW).writes[-1][1]) is ManifestReason.SIGNATURE
    value = deployment.sign(replace(deployment.manifest, sequence=10), OTHER_AGENT)
    assert keyring.offer("manifest", value, now=NOW)

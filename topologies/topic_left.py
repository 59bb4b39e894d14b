"""What the rotation agent demands of the control topic before it goes on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from aegis_stream.errors import (
    BrokerError,
    BrokerReason,
    ConfigurationError,
    ManifestReason,
    ManifestRefusedError,
)
from aegis_stream.keyring.entries import KeyState

if TYPE_CHECKING:
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.keyring.state_file import KnownSequence
    from aegis_stream.signature import AgentSigner


def in_force(keyring: Keyring, *, topic: str) -> Manifest:
    """Return the manifest in force.  Raises BrokerError(CONTROL_EMPTY)."""
    if keyring.manifest is None:
        raise BrokerError(BrokerReason.CONTROL_EMPTY, f"there is no manifest on {topic}")
    return keyring.manifest


def judge_start(keyring: Keyring, *, topic: str, known: KnownSequence | None, accept_rollback: int | None) -> Manifest:
    """Return the manifest to go on from, once the topic was read to its end.

    known: what the state file says was published; the keyring was told, and has refused what is older.

    Raises ManifestRefusedError: the topic stands below that, or its manifest was refused; BrokerError(CONTROL_EMPTY);
    ConfigurationError: it does not stand at the sequence of `accept_rollback`.
    """
    manifest = keyring.manifest
    if manifest is None:
        _refuse_without_manifest(keyring, topic, known)
    if accept_rollback is not None and manifest.sequence != accept_rollback:
        raise ConfigurationError(
            f"the manifest on {topic} has sequence {manifest.sequence}, not {accept_rollback}",
            remedy="--accept-rollback names the sequence that the topic stands at, once you know why",
        )
    return manifest


def require_current_signer(manifest: Manifest, signer: AgentSigner) -> None:
    """Raise ConfigurationError unless the manifest calls this key current: what another signs, nobody would take."""
    if manifest.agent_state(signer.key_id) is not KeyState.CURRENT:
        raise ConfigurationError(
            f"the manifest does not name {signer.key_id} as a current key of the agent",
            remedy="set AEGIS_AGENT_SIGNING_KEY to the key that this deployment's followers pin",
        )


def _refuse_without_manifest(keyring: Keyring, topic: str, known: KnownSequence | None) -> NoReturn:
    refusal = keyring.last_refusal
    if known is not None and (refusal is None or refusal.reason == ManifestReason.SEQUENCE):
        raise ManifestRefusedError(
            ManifestReason.SEQUENCE,
            f"{topic} stands below sequence {known.sequence}, which this agent has published",
            remedy="`aegis keys restore` puts a backup back; `--accept-rollback SEQUENCE` accepts what is there",
        )
    if refusal is not None:
        raise refusal
    raise BrokerError(
        BrokerReason.CONTROL_EMPTY,
        f"there is no manifest on {topic}",
        remedy="run `aegis keys init` once for each deployment, or `aegis keys restore` where there was one",
    )

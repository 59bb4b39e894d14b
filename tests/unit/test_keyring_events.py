"""Events on their way through the keyring: what a writer takes from a manifest, and what a reader makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aegis_stream.encryption import PIIDecryptor, create_pii_enricher
from aegis_stream.errors import (
    EventUnreadableError,
    ReadReason,
)
from aegis_stream.keyring.entries import DekState, KeyState, SignerEntry
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.pii import Policy
from tests.support.keyrings import (
    ENRICHER,
    NOW,
    OTHER_ENRICHER,
    Deployment,
    PlainKek,
    offer,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from aegis_stream.keyring.keyring import Keyring


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest."""
    return Deployment()


def reader(keyring: Keyring, *keks: PlainKek, audit: Collection[str] = (), signers: Collection[str] = ()) -> ReaderKeys:
    """Return keys read at NOW."""
    return ReaderKeys(keyring, keks or (PlainKek(),), audit_versions=audit, audit_signers=signers, clock=NOW.timestamp)


def test_event_goes_from_the_manifest_and_back(deployment: Deployment) -> None:
    """Writer and reader meet in the manifest alone: keys, policy and signer are all that the one knows of the other."""
    keyring = deployment.following()
    writers = []
    for policy in (None, Policy("wide", names=("iban",))):
        if policy is not None:
            offer(keyring, deployment.rotate(NOW, policy=policy))
        active = keyring.active()
        assert active is not None
        writers.append(
            create_pii_enricher(
                public_key=active.public_key.raw,
                dek_version=active.version.text,
                policy=active.policy,
                signer=ENRICHER,
            )
        )
    event = {"event_id": "1", "actor_id": "a", "iban": "DE00"}
    decryptor = PIIDecryptor(reader(keyring))
    old, new = (write(event) for write in writers)
    assert (old["iban"], isinstance(new["iban"], dict)) == ("DE00", True)
    assert decryptor(old) == decryptor(new) == event
    offer(keyring, deployment.set_state(deployment.manifest.deks[0].version.text, DekState.REVOKED, NOW))
    with pytest.raises(EventUnreadableError) as refused:
        decryptor(old)
    assert refused.value.reason == ReadReason.DEK_REVOKED
    offer(keyring, deployment.amend(NOW, enrichers=(SignerEntry(ENRICHER.public, KeyState.REVOKED, 1, None, NOW),)))
    with pytest.raises(EventUnreadableError) as refused:
        decryptor(new)
    assert refused.value.reason == ReadReason.SIGNER_REVOKED


def test_unsigned_and_foreign_sessions_are_refused(deployment: Deployment) -> None:
    """Anybody can encrypt to the public key on the topic; only who is enrolled is read."""
    keyring = deployment.following()
    active = keyring.active()
    assert active is not None
    decryptor = PIIDecryptor(reader(keyring))
    for signer, reason in ((None, ReadReason.UNSIGNED), (OTHER_ENRICHER, ReadReason.SIGNER_UNKNOWN)):
        write = create_pii_enricher(
            public_key=active.public_key.raw, dek_version=active.version.text, policy=active.policy, signer=signer
        )
        with pytest.raises(EventUnreadableError) as refused:
            decryptor(write({"event_id": "1", "actor_id": "a"}))
        assert refused.value.reason == reason

"""A reader's keys: states, audits, unwrapping once, and what ends when the manifest does."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.encryption.keys import ReadingKey
from aegis_stream.errors import (
    KEKError,
    KEKReason,
    KEKUnavailableError,
    KeyReason,
    KeyRefusedError,
    KeyringStaleError,
    ReadReason,
)
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekState, KekEntry, KekState, KeyState, SignerEntry
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.pii import Policy
from tests.support.keyrings import (
    ENRICHER,
    HOUR,
    KEK_PAIR,
    NOW,
    OTHER_ENRICHER,
    OTHER_KEK_PAIR,
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


def opens(keys: ReaderKeys, version: str) -> ReadingKey:
    """Ask for a key that must be there, and use it."""
    key = keys.reading_key(version)
    assert isinstance(key, ReadingKey)
    encapsulated = HybridPublicKey.from_bytes(key.public_key).encapsulate()
    assert key.decapsulate(encapsulated.encapsulation) == encapsulated.shared_secret
    return key


def test_key_carries_what_the_manifest_says(deployment: Deployment) -> None:
    """A reader judges an event by the policy and the signing of its own version."""
    keyring = deployment.following()
    first = deployment.active
    offer(keyring, deployment.rotate(NOW, policy=Policy("wide", names=("iban",)), signed=False))
    keys = reader(keyring)
    old, new = opens(keys, first), opens(keys, deployment.active)
    assert (old.version, old.policy.id, old.signed) == (first, "default", True)
    assert (new.version, new.policy.id, new.signed) == (deployment.active, "wide", False)


def test_states_are_obeyed(deployment: Deployment) -> None:
    """Each state has its own refusal, so that an operator sees which."""
    keyring = deployment.following()
    versions = [deployment.active]
    for _ in range(4):
        offer(keyring, deployment.rotate(NOW))
        versions.append(deployment.active)
    keys = reader(keyring)
    for version in versions:
        opens(keys, version)
    offer(keyring, deployment.set_state(versions[0], DekState.REVOKED, NOW))
    offer(keyring, deployment.set_state(versions[1], DekState.DESTROYED, NOW))
    offer(keyring, deployment.amend(NOW, minimum_version=deployment.manifest.deks[3].version))
    assert [answer(keys, version) for version in versions] == [
        ReadReason.DEK_REVOKED,
        ReadReason.DEK_DESTROYED,
        ReadReason.DEK_BELOW_MINIMUM,
        "opens",
        "opens",
    ]
    assert keys.reading_key("dek-v9-20260301") is ReadReason.DEK_UNKNOWN
    assert keys.reading_key("anything") is ReadReason.DEK_UNKNOWN


def answer(keys: ReaderKeys, version: str) -> str:
    """Return the refusal, or that there is none."""
    key = keys.reading_key(version)
    return "opens" if isinstance(key, ReadingKey) else key


def test_audit_opens_what_it_names_and_nothing_else(deployment: Deployment) -> None:
    """Revoked versions, and those below the minimum, open for an audit; destroyed ones for nobody."""
    keyring = deployment.following()
    versions = [deployment.active]
    for _ in range(3):
        offer(keyring, deployment.rotate(NOW))
        versions.append(deployment.active)
    offer(keyring, deployment.set_state(versions[0], DekState.REVOKED, NOW))
    offer(keyring, deployment.set_state(versions[1], DekState.DESTROYED, NOW))
    offer(keyring, deployment.amend(NOW, minimum_version=deployment.manifest.active.version))
    audit = reader(keyring, audit=versions)
    assert [answer(audit, version) for version in versions] == ["opens", ReadReason.DEK_DESTROYED, "opens", "opens"]
    assert answer(reader(keyring, audit=versions[2:3]), versions[0]) == ReadReason.DEK_REVOKED


def test_revoked_key_is_forgotten(deployment: Deployment) -> None:
    """What the manifest no longer allows does not stay in memory."""
    keyring = deployment.following()
    first = deployment.active
    offer(keyring, deployment.rotate(NOW))
    keys = reader(keyring)
    opens(keys, first)
    opens(keys, deployment.active)
    assert len(keys._private) == 2
    offer(keyring, deployment.set_state(first, DekState.REVOKED, NOW))
    opens(keys, deployment.active)
    assert [name for name, _ in keys._private] == [deployment.active]


def test_version_without_its_record_is_unknown(deployment: Deployment) -> None:
    """One more read of the topic may bring the record."""
    keyring = deployment.following()
    keyring.offer(*deployment.rotate(NOW).writes[-1], now=NOW)
    assert reader(keyring).reading_key(deployment.active) is ReadReason.DEK_UNKNOWN


def test_unwrapping_is_lazy_and_done_once(deployment: Deployment) -> None:
    """A KEK in an HSM is asked for what is needed, not for a thousand old versions at start."""
    keyring = deployment.following()
    first = deployment.active
    offer(keyring, deployment.rotate(NOW))
    kek = PlainKek()
    keys = reader(keyring, kek)
    assert kek.asked == 0
    for _ in range(3):
        opens(keys, first)
        offer(keyring, deployment.fresh(NOW))
    assert kek.asked == 1


def test_concurrent_readers_unwrap_once(deployment: Deployment) -> None:
    """Twenty threads at the first event of a version ask the KEK once."""
    keyring = deployment.following()
    kek = PlainKek()
    keys = reader(keyring, kek)
    together = threading.Barrier(20)
    opened: list[ReadingKey] = []

    def read() -> None:
        together.wait()
        opened.append(opens(keys, deployment.active))

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 20
    assert kek.asked == 1


def rewrapped(deployment: Deployment, keyring: Keyring, *publics: bytes) -> None:
    """Publish the active DEK's record under other KEKs."""
    version = deployment.manifest.active.version
    record = DekRecord.generate(version, publics)
    entry = replace(deployment.manifest.active, record_sha256=record.sha256)
    keks = (KekEntry(publics[0], KekState.CURRENT), *(KekEntry(public, KekState.GRACE) for public in publics[1:]))
    wanted = replace(deployment.manifest, deks=(entry,), keks=keks)
    offer(keyring, deployment.maker.change(deployment.manifest, wanted, [record], now=NOW))


def test_either_kek_opens_during_a_rotation(deployment: Deployment) -> None:
    """While both are in force, a reader with one of them goes on."""
    keyring = deployment.following()
    rewrapped(deployment, keyring, OTHER_KEK_PAIR.public, KEK_PAIR.public)
    opens(reader(keyring, PlainKek()), deployment.active)
    opens(reader(keyring, PlainKek(OTHER_KEK_PAIR)), deployment.active)
    opens(reader(keyring, PlainKek(), PlainKek(OTHER_KEK_PAIR)), deployment.active)


def test_missing_kek_is_named(deployment: Deployment) -> None:
    """The operator learns which KEK the process lacks; no event is passed off as unreadable."""
    keyring = deployment.following()
    other = PlainKek(OTHER_KEK_PAIR)
    with pytest.raises(KEKError) as failure:
        reader(keyring, other).reading_key(deployment.active)
    assert failure.value.reason == KEKReason.WRONG_KEY
    assert PlainKek().kek_id in str(failure.value)
    assert other.kek_id in str(failure.value)


class AwayKek(PlainKek):
    """A KEK whose keeper does not answer."""

    def decapsulate(self, encapsulation: bytes) -> bytes:  # noqa: ARG002 - the form of a KEK
        """Fail."""
        raise KEKUnavailableError(KEKReason.UNAVAILABLE, "the HSM does not answer")


def test_kek_that_is_away_does_not_hide_the_other(deployment: Deployment) -> None:
    """One of two KEKs suffices; where none answers the first failure is told, and the next event may succeed."""
    keyring = deployment.following()
    rewrapped(deployment, keyring, OTHER_KEK_PAIR.public, KEK_PAIR.public)
    opens(reader(keyring, AwayKek(OTHER_KEK_PAIR), PlainKek()), deployment.active)
    with pytest.raises(KEKUnavailableError):
        reader(keyring, AwayKek(OTHER_KEK_PAIR)).reading_key(deployment.active)


def test_wrap_of_another_dek_is_refused(deployment: Deployment) -> None:
    """A wrap moved from one version's record into another's does not open there."""
    keyring = deployment.following()
    first = deployment.records[deployment.active]
    offer(keyring, deployment.rotate(NOW))
    second = replace(deployment.records[deployment.active], wraps=first.wraps)
    entry = replace(deployment.manifest.active, record_sha256=second.sha256)
    wanted = replace(deployment.manifest, deks=(deployment.manifest.deks[0], entry))
    offer(keyring, deployment.maker.change(deployment.manifest, wanted, [second], now=NOW))
    with pytest.raises(KeyRefusedError) as refused:
        reader(keyring).reading_key(deployment.active)
    assert refused.value.reason == KeyReason.UNWRAP


def test_enrichers_sign_for_their_versions_alone(deployment: Deployment) -> None:
    """Enrolled from one n on, retired after another, revoked altogether."""
    keyring = deployment.following()
    versions = [deployment.active]
    for _ in range(3):
        offer(keyring, deployment.rotate(NOW))
        versions.append(deployment.active)
    retired = SignerEntry(OTHER_ENRICHER.public, KeyState.RETIRED, 2, 3)
    offer(keyring, deployment.amend(NOW, enrichers=(*deployment.manifest.enrichers, retired)))
    keys = reader(keyring)
    assert [keys.session_signer(ENRICHER.key_id, version) for version in versions] == [ENRICHER.public] * 4
    unknown = ReadReason.SIGNER_UNKNOWN
    assert [keys.session_signer(OTHER_ENRICHER.key_id, version) for version in versions] == [
        unknown,
        OTHER_ENRICHER.public,
        OTHER_ENRICHER.public,
        unknown,
    ]
    assert keys.session_signer("0" * 16, versions[0]) is unknown
    assert keys.session_signer(ENRICHER.key_id, "anything") is unknown


def test_revoked_enricher_is_refused_unless_an_audit_names_it(deployment: Deployment) -> None:
    """What a stolen key signed is looked at by an audit, and by nobody else."""
    keyring = deployment.following()
    revoked = SignerEntry(ENRICHER.public, KeyState.REVOKED, 1, None, NOW)
    offer(keyring, deployment.amend(NOW, enrichers=(revoked,)))
    version = deployment.active
    assert reader(keyring).session_signer(ENRICHER.key_id, version) is ReadReason.SIGNER_REVOKED
    audit = reader(keyring, signers=[ENRICHER.key_id])
    assert audit.session_signer(ENRICHER.key_id, version) == ENRICHER.public


def test_nothing_is_opened_after_the_grace(deployment: Deployment) -> None:
    """A withheld revocation binds at the end of life and grace, also for keys that are in memory."""
    keyring = deployment.following(grace_s=3600)
    clock = [NOW.timestamp()]
    keys = ReaderKeys(keyring, [PlainKek()], clock=lambda: clock[0])
    opens(keys, deployment.active)
    generation = keys.generation
    clock[0] = (NOW + 2 * HOUR).timestamp() - 1
    opens(keys, deployment.active)
    assert keys.generation == generation
    clock[0] += 1
    assert keys.generation != generation
    with pytest.raises(KeyringStaleError):
        keys.reading_key(deployment.active)
    with pytest.raises(KeyringStaleError):
        keys.session_signer(ENRICHER.key_id, deployment.active)


def test_nothing_is_opened_before_the_first_manifest(deployment: Deployment) -> None:
    """A reader that has not read the topic knows no key; that is no verdict on an event."""
    with pytest.raises(KeyringStaleError, match="there is none"):
        reader(deployment.keyring()).reading_key(deployment.active)

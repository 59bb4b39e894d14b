"""When events may pass, and under which DEK."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import structlog

from aegis_stream.encryption import Protected
from aegis_stream.errors import ConfigurationError, ManifestRefusedError
from aegis_stream.keyring.entries import KeyState
from tests.support.keyrings import ENRICHER, HOUR, NOW, OTHER_AGENT, OTHER_ENRICHER, Deployment, offer
from topologies.writers import KeyringWriters, WriterState, library_encryptor

if TYPE_CHECKING:
    from aegis_stream.keyring.keyring import Keyring
    from aegis_stream.keyring.view import View
    from aegis_stream.session_signer import SessionSigner


class Keys:
    """A keyring and a clock that tests move."""

    def __init__(self, keyring: Keyring, *, at_end: bool = True) -> None:
        """Begin at the time of the first manifest."""
        self.keyring = keyring
        self.at_end = at_end
        self.now = NOW

    @property
    def view(self) -> View:
        """The present state."""
        return self.keyring.view

    @property
    def problem(self) -> ManifestRefusedError | None:
        """The last refusal."""
        return self.keyring.last_refusal

    def clock(self) -> float:
        """Return POSIX seconds."""
        return self.now.timestamp()


def writers(keys: Keys, signer: SessionSigner | None = ENRICHER) -> KeyringWriters:
    """Make the writers of an enricher."""
    return KeyringWriters(
        keys, signer=signer, max_output_bytes=1_000_000, make_encryptor=library_encryptor("python"), now=keys.clock
    )


def test_events_pass_under_the_active_dek_with_its_policy_and_signature() -> None:
    """That is what the manifest says."""
    deployment = Deployment()
    writer = writers(Keys(deployment.following())).current()
    assert writer is not None
    assert writer.dek_version == deployment.active
    (result,) = writer.encryptor.protect_batch([b'{"actor_id":"alice"}'])
    assert isinstance(result, Protected)
    assert b'"sig":"' in result.value


def test_nothing_passes_before_the_control_topic_was_read_to_its_end() -> None:
    """Half-way through, the manifest in force may be one that was replaced long ago."""
    keys = Keys(Deployment().following(), at_end=False)
    made = writers(keys)
    assert (made.state, made.current()) == (WriterState.READING, None)
    keys.at_end = True
    assert made.current() is not None


def test_nothing_passes_without_a_manifest() -> None:
    """An empty control topic is no leave to write in the clear."""
    made = writers(Keys(Deployment().keyring()))
    assert (made.state, made.current()) == (WriterState.NO_MANIFEST, None)


def test_nothing_passes_without_the_record_of_the_active_dek() -> None:
    """The manifest names its hash; without the record there is no key."""
    deployment = Deployment()
    keyring = deployment.keyring()
    keyring.offer(*deployment.first.writes[-1], now=NOW)
    assert writers(Keys(keyring)).state is WriterState.RECORD_MISSING


def test_grace_is_used_and_then_the_enricher_holds_until_a_fresh_manifest_comes() -> None:
    """24 hours by default: an outage of the agent costs no event, and a withheld revocation binds then."""
    deployment = Deployment()
    keyring = deployment.following(grace_s=3_600)
    keys = Keys(keyring)
    made = writers(keys)
    assert not made.in_grace
    keys.now = NOW + 1.5 * HOUR
    assert made.current() is not None
    assert made.in_grace
    keys.now = NOW + 2 * HOUR
    assert made.current() is None
    assert (made.state, made.in_grace) == (WriterState.MANIFEST_EXPIRED, False)
    offer(keyring, deployment.fresh(keys.now), now=keys.now)
    assert made.current() is not None
    assert made.state is WriterState.USABLE


def test_strict_has_no_grace() -> None:
    """The deployment asked for it."""
    keys = Keys(Deployment().following(grace_s=0))
    keys.now = NOW + HOUR - dt.timedelta(seconds=1)
    made = writers(keys)
    assert made.current() is not None
    keys.now = NOW + HOUR
    assert made.current() is None


def test_a_rotation_gives_a_new_writer_and_a_fresher_manifest_does_not() -> None:
    """The old session is gone with its encryptor; a new signature every five minutes must not cost one."""
    deployment = Deployment()
    keyring = deployment.following()
    made = writers(Keys(keyring))
    first = made.current()
    offer(keyring, deployment.fresh(NOW + dt.timedelta(minutes=5)))
    assert made.current() is first
    offer(keyring, deployment.rotate(NOW + dt.timedelta(minutes=10)))
    second = made.current()
    assert second is not None
    assert first is not None
    assert second.dek_version == deployment.active != first.dek_version
    assert second.encryptor is not first.encryptor


@pytest.mark.parametrize(
    ("signer", "state"),
    [
        (None, WriterState.SIGNER_MISSING),
        (OTHER_ENRICHER, WriterState.SIGNER_NOT_ENROLLED),
        (ENRICHER, WriterState.USABLE),
    ],
)
def test_signed_sessions_need_an_enrolled_key(signer: SessionSigner | None, state: WriterState) -> None:
    """Readers would refuse every event of a session that is not signed by an enrolled enricher."""
    made = writers(Keys(Deployment().following()), signer)
    assert made.state is state
    assert (made.current() is not None) is (state is WriterState.USABLE)


def test_a_retired_key_signs_no_later_dek() -> None:
    """For the older one it goes on signing; under the new one readers would refuse it."""
    deployment = Deployment()
    keyring = deployment.following()
    made = writers(Keys(keyring))
    assert made.state is WriterState.USABLE
    retired = replace(deployment.manifest.enrichers[0], state=KeyState.RETIRED, last_n=1)
    offer(keyring, deployment.amend(NOW + dt.timedelta(minutes=1), enrichers=(retired,)))
    assert made.state is WriterState.USABLE
    offer(keyring, deployment.rotate(NOW + dt.timedelta(minutes=2)))
    assert made.state is WriterState.SIGNER_NOT_ENROLLED
    assert made.current() is None


def test_a_revoked_key_signs_nothing() -> None:
    """Somebody else may have it; readers refuse what it signs from now on."""
    deployment = Deployment()
    keyring = deployment.following()
    revoked = replace(deployment.manifest.enrichers[0], state=KeyState.REVOKED, revoked_at=NOW)
    offer(keyring, deployment.amend(NOW + dt.timedelta(minutes=1), enrichers=(revoked,)))
    assert writers(Keys(keyring)).state is WriterState.SIGNER_NOT_ENROLLED


def test_unsigned_versions_are_written_without_a_signature() -> None:
    """A manifest that asks for none is followed too."""
    deployment = Deployment()
    keyring = deployment.following()
    offer(keyring, deployment.rotate(NOW + dt.timedelta(minutes=1), signed=False))
    writer = writers(Keys(keyring), None).current()
    assert writer is not None
    (result,) = writer.encryptor.protect_batch([b'{"actor_id":"alice"}'])
    assert isinstance(result, Protected)
    assert b'"sig":' not in result.value


def test_an_engine_that_cannot_be_had_is_refused_at_once() -> None:
    """Not when the first event comes."""
    with pytest.raises(ConfigurationError):
        library_encryptor("fast")


def test_what_changes_is_said_once_and_with_the_remedy() -> None:
    """Operators find out from the log why nothing passes and what to do."""
    keys = Keys(Deployment().keyring())
    made = writers(keys)
    with structlog.testing.capture_logs() as logs:
        made.current()
        made.current()
    (line,) = logs
    assert (line["log_level"], line["why"]) == ("error", "no-manifest")
    assert "aegis keys init" in line["remedy"]


def test_a_refused_manifest_is_named_in_the_log() -> None:
    """Nothing passes, and "there is no manifest" alone would send the operator the wrong way."""
    keyring = Deployment().keyring()
    with pytest.raises(ManifestRefusedError):
        keyring.offer("manifest", Deployment(signer=OTHER_AGENT).first.writes[-1][1], now=NOW)
    with structlog.testing.capture_logs() as logs:
        writers(Keys(keyring)).current()
    assert "not signed by an agent key" in logs[0]["detail"]
    assert "AEGIS_AGENT_PUBLIC_KEY" in logs[0]["hint"]


async def test_whoever_waits_is_woken_by_the_manifest() -> None:
    """The consumer joins its group then."""
    deployment = Deployment()
    keyring = deployment.keyring()
    made = writers(Keys(keyring))
    offer(keyring, deployment.first)
    await made.wait_usable()

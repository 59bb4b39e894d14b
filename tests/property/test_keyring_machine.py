"""A model of the keyring: an honest agent, a topic on which everything may be replayed, lost and mixed, and a follower.

Whatever order the records come in: the sequence never goes down, one version is active, no state goes back, and no key
is used that the newest manifest the follower has taken does not allow.
"""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aegis_stream.encryption.keys import ReadingKey
from aegis_stream.errors import KeyringStaleError, ManifestRefusedError, ReadReason
from aegis_stream.keyring.dek_record import record_sha256
from aegis_stream.keyring.entries import DekState
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.keyring.state_file import KnownSequence
from aegis_stream.keyring.view import Freshness
from tests.support.keyrings import NOW, OTHER_AGENT, Deployment, PlainKek

if TYPE_CHECKING:
    from aegis_stream.keyring.keyring import Keyring

GRACE_S = 7_200
MAX_DEKS = 5


class KeyringMachine(RuleBasedStateMachine):
    """See the module."""

    @initialize()
    def begin(self) -> None:
        """Make a deployment; its first records are on the topic, and nobody has read them."""
        self.now = NOW
        self.agent = Deployment()
        self.topic: list[tuple[str, bytes | None]] = list(self.agent.first.writes)
        self.genuine = {self.agent.active: self.agent.first.writes[0][1]}
        self.highest = 0
        self.ranks: dict[str, int] = {}
        self.restart()

    @rule()
    def restart(self) -> None:
        """Start the follower anew, with what its disk knows."""
        known = KnownSequence(self.highest, self.known_sha256) if self.highest else None
        self.follower: Keyring = self.agent.keyring(grace_s=GRACE_S, known=known)
        self.keys = ReaderKeys(self.follower, [PlainKek()], clock=self.clock)

    known_sha256 = ""

    def clock(self) -> float:
        """Return the reader's time in POSIX seconds."""
        return self.now.timestamp()

    @rule()
    def sign_fresh(self) -> None:
        """Sign the same again."""
        self._publish(self.agent.fresh(self.now).writes)

    @rule(signed=st.booleans())
    def rotate(self, signed: bool) -> None:  # noqa: FBT001 - a rule's argument
        """Make a new DEK active."""
        if len(self.agent.manifest.deks) < MAX_DEKS:
            self._publish(self.agent.rotate(self.now, signed=signed).writes)

    @rule(which=st.integers(0, MAX_DEKS), state=st.sampled_from([DekState.REVOKED, DekState.DESTROYED]))
    def end(self, which: int, state: DekState) -> None:
        """Revoke or destroy an older DEK."""
        older = self.agent.manifest.deks[:-1]
        if older and older[which % len(older)].state.rank < state.rank:
            self._publish(self.agent.set_state(older[which % len(older)].version.text, state, self.now).writes)

    @rule(which=st.integers(0, MAX_DEKS))
    def raise_minimum(self, which: int) -> None:
        """Raise the minimum version."""
        deks = self.agent.manifest.deks
        minimum = deks[which % len(deks)].version
        if minimum.n > self.agent.manifest.minimum_version.n:
            self._publish(self.agent.amend(self.now, minimum_version=minimum).writes)

    @rule(which=st.integers(0, 200))
    def attack(self, which: int) -> None:
        """Write something of one's own: garbage, a tombstone, or a manifest signed with another key."""
        key = self.topic[which % len(self.topic)][0]
        lie = replace(self.agent.manifest, sequence=self.agent.manifest.sequence + 50)
        forged = self.agent.sign(lie, OTHER_AGENT)
        self.topic.append((key, (b"garbage", None, forged)[which % 3]))

    @rule(places=st.lists(st.integers(0, 200), min_size=1, max_size=8))
    def read_in_any_order(self, places: list[int]) -> None:
        """Replay, leave out and mix."""
        for place in places:
            self._offer(*self.topic[place % len(self.topic)])

    @rule()
    def read_to_the_end(self) -> None:
        """Read all in the topic's order, as an undisturbed follower does; then it knows what the agent knows."""
        for key, value in self.topic:
            self._offer(key, value)
        if self.agent.manifest.expires_at > self.now:
            assert self.follower.manifest == self.agent.manifest
            active = self.follower.active()
            assert active is not None
            assert active.public_key.raw == self.agent.records[self.agent.active].public_key

    @rule(minutes=st.integers(1, 240))
    def wait(self, minutes: int) -> None:
        """Let time pass."""
        self.now += dt.timedelta(minutes=minutes)

    def _publish(self, writes: tuple[tuple[str, bytes], ...]) -> None:
        self.topic += writes
        for key, value in writes:
            if key != "manifest":
                self.genuine[key.removeprefix("dek/")] = value

    def _offer(self, key: str, value: bytes | None) -> None:
        before = self.follower.manifest
        with suppress(ManifestRefusedError):
            self.follower.offer(key, value, now=self.now)
        manifest = self.follower.manifest
        if manifest is not before:
            assert manifest is not None
            assert manifest.expires_at > self.now
            assert before is None or manifest.sequence > before.sequence
            assert manifest.sequence <= self.agent.manifest.sequence
        if manifest is not None and manifest.sequence > self.highest:
            self.highest = manifest.sequence
            self.known_sha256 = record_sha256(self.follower.view.value)

    @invariant()
    def sequence_never_goes_down(self) -> None:
        """Neither while it runs nor over a restart with a disk."""
        manifest = self.follower.manifest
        if manifest is not None:
            assert manifest.sequence == self.highest
            assert manifest.deployment == self.agent.name

    @invariant()
    def one_version_is_active_and_nothing_goes_back(self) -> None:
        """Over the follower's whole life, restarts included."""
        manifest = self.follower.manifest
        if manifest is None:
            return
        assert [entry for entry in manifest.deks if entry.state is DekState.ACTIVE] == [manifest.active]
        for entry in manifest.deks:
            assert entry.state.rank >= self.ranks.get(entry.version.text, 0)
            self.ranks[entry.version.text] = entry.state.rank
        assert self.ranks.keys() == {entry.version.text for entry in manifest.deks}

    @invariant()
    def only_genuine_records_are_used(self) -> None:
        """See that a record's public key is always one that the agent made."""
        for version, record in self.follower.view.records.items():
            value, manifest = self.follower.record_value(version), self.follower.manifest
            assert value is not None
            assert manifest is not None
            entry = manifest.dek(version)
            assert entry is not None
            assert record_sha256(value) == entry.record_sha256
            assert record.public_key == self.agent.records[version].public_key

    @invariant()
    def readers_use_what_the_manifest_allows(self) -> None:
        """Each version opens or is refused exactly as the manifest in force says; nothing opens after the grace."""
        manifest = self.follower.manifest
        if self.follower.freshness(self.now) in {Freshness.ABSENT, Freshness.EXPIRED}:
            with suppress(KeyringStaleError):
                self.keys.reading_key(self.agent.active)
                raise AssertionError("a stale keyring was used")
            return
        assert manifest is not None
        for version in self.genuine:
            answer = self.keys.reading_key(version)
            entry = manifest.dek(version)
            if entry is None or (version not in self.follower.view.records and not isinstance(answer, ReadingKey)):
                assert isinstance(answer, ReadReason)
                continue
            expected: str = "opens"
            if entry.version.n < manifest.minimum_version.n:
                expected = ReadReason.DEK_BELOW_MINIMUM
            if entry.state is DekState.DESTROYED:
                expected = ReadReason.DEK_DESTROYED
            if entry.state is DekState.REVOKED:
                expected = ReadReason.DEK_REVOKED
            assert ("opens" if isinstance(answer, ReadingKey) else answer) == expected


TestKeyring = KeyringMachine.TestCase
TestKeyring.settings = settings(stateful_step_count=30)

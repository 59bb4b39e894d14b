"""A reader of the modelled control topic: what he may open, judged by the manifest that he has taken."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from aegis_stream.encryption.keys import ReadingKey
from aegis_stream.errors import KeyringStaleError, ManifestRefusedError, ReadReason
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.keyring.dek_record import record_sha256
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekState, KeyState
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.keyring.state_file import KnownSequence
from aegis_stream.keyring.view import Freshness
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import kek_id
from tests.support.command_model import VETO
from tests.support.control_world import AGENTS, DEPLOYMENT, kek_pair
from tests.support.keyrings import PlainKek

if TYPE_CHECKING:
    from aegis_stream.hybrid import Encapsulated
    from aegis_stream.keyring.manifest import Manifest
    from tests.support.control_world import World

STRANGER = AgentSigner.from_seed(bytes([103]) * 64)
KEKS = {kek_id(pair.public): PlainKek(pair) for pair in map(kek_pair, (1, 2, 3))}


class HalfSigner:
    """Whoever has broken one half of the agent's hybrid key, and makes up the other."""

    def __init__(self, agent: AgentSigner) -> None:
        """Take what was broken from the agent."""
        self.key_id = agent.key_id
        self._agent = agent

    def sign(self, message: bytes) -> bytes:
        """Return a good Ed25519 signature, and one of ML-DSA by another key."""
        return self._agent.sign(message)[:64] + STRANGER.sign(message)[64:]


class ModelledReader:
    """Follows what `world` publishes; he holds the KEKs that his manifest names, and no others."""

    def __init__(self, world: World) -> None:
        """Read nothing yet."""
        self._world = world
        self._known: KnownSequence | None = None
        self._ranks: dict[str, int] = {}
        self._events: dict[str, Encapsulated] = {}
        self.restart()

    def restart(self) -> None:
        """Forget everything but what the disk knows."""
        keys = [agent.public for agent in AGENTS]
        self._keyring = Keyring(deployment=DEPLOYMENT, agent_keys=keys, known=self._known)
        self._keys: ReaderKeys | None = None
        self._held: frozenset[str] = frozenset()
        self._opened: set[str] = set()
        self._position = 0

    def meet(self, places: list[int], *, forged: bool) -> None:
        """Read records at some places, replayed; or under their keys what a stranger has written."""
        published = self._world.published
        for place in places:
            key, value = published[place % len(published)]
            self._offer(key, self._forge(place) if forged else value)

    def read_to_the_end(self) -> None:
        """Read on to the end, and search once more where a record is missing that somebody has flooded away."""
        world = self._world
        self._read_from(self._position)
        if self._keyring.missing():
            self._read_from(0)
        if world.manifest.expires_at > world.now:
            assert self._keyring.manifest == world.manifest
            assert self._keyring.missing() == ()

    def _read_from(self, position: int) -> None:
        for key, value in self._world.published[position:]:
            self._offer(key, value)
        self._position = len(self._world.published)

    def check(self) -> None:
        """Compare what he opens, and whose sessions he takes, with what his manifest says."""
        self._encrypt_under_new_deks()
        manifest = self._keyring.manifest
        if self._keyring.freshness(self._world.now) in {Freshness.ABSENT, Freshness.EXPIRED} or manifest is None:
            if self._keys is not None:
                with suppress(KeyringStaleError):
                    self._keys.reading_key(self._world.manifest.active.version.text)
                    raise AssertionError("a stale keyring was used")
            return
        keys = self._reader_keys(manifest)
        for version, event in self._events.items():
            answer = keys.reading_key(version)
            expected = _expected(manifest, version)
            if expected is None and version in self._keyring.view.records:
                assert isinstance(answer, ReadingKey), (version, answer)
                if version not in self._opened:  # once for each reader's life and set of KEKs
                    assert answer.decapsulate(event.encapsulation) == event.shared_secret
                    self._opened.add(version)
            else:
                assert answer == (expected or ReadReason.DEK_UNKNOWN)
        for entry in manifest.enrichers:
            for dek in manifest.deks:
                taken = keys.session_signer(entry.id, dek.version.text)
                last = entry.last_n if entry.last_n is not None else dek.version.n
                signs = entry.first_n <= dek.version.n <= last and entry.state is not KeyState.REVOKED
                assert (taken == entry.public_key) is signs

    def _reader_keys(self, manifest: Manifest) -> ReaderKeys:
        """Return his keys, loaded anew where his manifest names other KEKs: nothing hangs on a retired one."""
        held = frozenset(entry.id for entry in manifest.keks)
        if self._keys is None or held != self._held:
            self._held, self._opened = held, set()
            self._keys = ReaderKeys(self._keyring, [KEKS[each] for each in sorted(held)], clock=self._clock)
        return self._keys

    def _clock(self) -> float:
        return self._world.now.timestamp()

    def _forge(self, number: int) -> bytes | None:
        """Return a tombstone, garbage, or a later manifest, signed by a stranger or by half of the agent's key."""
        world = self._world
        lie = replace(world.manifest, sequence=world.manifest.sequence + 50, expires_at=world.now + VETO)
        signers = (STRANGER, HalfSigner(world.agent))
        lies = [Envelope.sign(Kind.MANIFEST, lie.to_payload(), [signer]).to_bytes() for signer in signers]
        return (*reversed(lies), None, b"garbage")[number % 4]

    def _encrypt_under_new_deks(self) -> None:
        """Make an event under every DEK once it is there, with the public key that its manifest names."""
        for version, record in self._world.records.items():
            if version not in self._events:
                self._events[version] = HybridPublicKey.from_bytes(record.public_key).encapsulate()

    def _offer(self, key: str, value: bytes | None) -> None:
        before = self._keyring.manifest
        with suppress(ManifestRefusedError):
            self._keyring.offer(key, value, now=self._world.now)
        manifest = self._keyring.manifest
        if manifest is None or manifest is before:
            return
        assert ("manifest", self._keyring.view.value) in self._world.published
        assert manifest.expires_at > self._world.now
        assert self._known is None or manifest.sequence >= self._known.sequence
        self._known = KnownSequence(manifest.sequence, record_sha256(self._keyring.view.value))
        for entry in manifest.deks:
            assert entry.state.rank >= self._ranks.get(entry.version.text, 0)
            self._ranks[entry.version.text] = entry.state.rank
        assert [entry for entry in manifest.deks if entry.state is DekState.ACTIVE] == [manifest.active]


def _expected(manifest: Manifest, version: str) -> ReadReason | None:
    """Tell in the tests' own words why a version's events are refused, None where they are opened."""
    entry = manifest.dek(version)
    if entry is None:
        return ReadReason.DEK_UNKNOWN
    if entry.state is DekState.REVOKED:
        return ReadReason.DEK_REVOKED
    if entry.state is DekState.DESTROYED:
        return ReadReason.DEK_DESTROYED
    return ReadReason.DEK_BELOW_MINIMUM if entry.version.n < manifest.minimum_version.n else None

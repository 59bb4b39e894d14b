"""A deployment in memory: keys, a manifest, and the enricher's part."""

from __future__ import annotations

import hmac
import os
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.encryption import PIIDecryptor, PIIEncryptor, Rejected
from aegis_stream.hybrid import HybridKEM
from aegis_stream.kek import InMemoryKEKProvider
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.entries import DekEntry, DekState, KeyState, SignerEntry
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.maker import ManifestMaker
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.pii import Policy
from aegis_stream.session_signer import SessionSigner
from aegis_stream.signature import AgentSigner
from aegis_stream.testing.clients import MemoryConsumer, MemoryProducer
from aegis_stream.testing.log import ENCRYPTED, RAW, MemoryLog, now
from aegis_stream.wire import DekVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aegis_stream.client import Written
    from aegis_stream.errors import WriteReason
    from aegis_stream.kek import KEKProvider
    from aegis_stream.keyring.maker import Change
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.testing.log import Headers

_LIFE_S = 366 * 86_400


class RefusedEvent(NamedTuple):
    """What the enricher would have sealed to the dead-letter topic: its source, why, and the value as it was."""

    source: str
    reason: WriteReason
    value: bytes


class MemoryDeployment:
    """Keys, a manifest and two topics in memory; what is written to the raw one is encrypted at once.

    kek: the KEK, made for this deployment.  dead_letters: what was refused, in order.
    """

    def __init__(self, *, policy: Policy | None = None, partitions: int = 1) -> None:
        """Make the keys; `policy` says what is sensitive, the twelve fields by default."""
        self.kek = InMemoryKEKProvider(keypair=HybridKEM.generate_keypair(), environ={})
        self.dead_letters: list[RefusedEvent] = []
        self._log = MemoryLog(partitions)
        self._pseudonym_key = os.urandom(32)
        self._session_signer = SessionSigner.from_seed(os.urandom(32))
        agent = AgentSigner.from_seed(os.urandom(64))
        self._maker = ManifestMaker(agent, life_s=_LIFE_S)
        self._keyring = Keyring(deployment="memory", agent_keys=[agent.public])
        first = self._maker.first(
            deployment="memory",
            kek_public_key=self.kek.get_public_key(),
            policy=policy or Policy.default(),
            enrichers=[SignerEntry(self._session_signer.public, KeyState.CURRENT, 1)],
            now=now(),
        )
        self._take(first)

    @property
    def active_version(self) -> str:
        """The DEK version that new events are encrypted under."""
        return self._manifest.active.version.text

    def rotate(self, *, policy: Policy | None = None) -> str:
        """Make the next DEK active, with another policy if one is given; returns its version."""
        manifest, today = self._manifest, now()
        old = manifest.active
        record = DekRecord.generate(DekVersion.of(old.version.n + 1, today.date()), [self.kek.get_public_key()])
        named = old.policy if policy is None else policy.id
        entry = DekEntry(record.version, DekState.ACTIVE, today, named, signed=True, record_sha256=record.sha256)
        policies = manifest.policies if policy is None else (*manifest.policies, policy)
        deks = (*manifest.deks[:-1], replace(old, state=DekState.DECRYPT_ONLY), entry)
        wanted = replace(manifest, deks=deks, policies=policies)
        self._take(self._maker.change(manifest, wanted, [record], now=today))
        return record.version.text

    def revoke(self, version: str) -> None:
        """Let readers refuse a version, not the active one, as `dek-revoked`.  Raises ManifestRefusedError."""
        self._retire(version, DekState.REVOKED)

    def destroy(self, version: str) -> None:
        """Take the private key of a version, not the active one, away for good.  Raises ManifestRefusedError."""
        self._retire(version, DekState.DESTROYED)

    def producer(self, *, validate: bool = True) -> MemoryProducer:
        """Return a producer of raw events; `validate` as EventProducer."""
        return MemoryProducer(self, validate=validate)

    def consumer(
        self,
        *,
        group: str = "memory",
        keks: Iterable[KEKProvider] | None = None,
        **options: Any,  # noqa: ANN401 - any option of EventConsumer
    ) -> MemoryConsumer:
        """Return a reader; it goes on where the group's last one has committed.  keks: the deployment's by default."""
        return MemoryConsumer(self._log, group=group, decryptor=self.decryptor(keks=keks), **options)

    def decryptor(self, *, keks: Iterable[KEKProvider] | None = None) -> PIIDecryptor:
        """Return what opens events of this deployment without a consumer."""
        return PIIDecryptor(ReaderKeys(self._keyring, [self.kek] if keks is None else list(keks)))

    def write_raw(
        self, value: bytes | None, *, key: bytes | None = None, headers: Headers = (), partition: int | None = None
    ) -> Written:
        """Put any record on the raw topic and let the enricher do its part; returns where it stands.

        Without a partition the key chooses one, by another rule than Kafka's.
        """
        number = zlib.crc32(key or b"") % self._log.partitions if partition is None else partition
        written = self._log.append(RAW, number, key, value, headers)
        sensitive: frozenset[str] = frozenset()
        if value is not None:
            source = f"{RAW}/{number}/{written.offset}"
            (result,) = self._encryptor.protect_batch([value], sources=[source], collect_sensitive=True)
            if isinstance(result, Rejected):
                self.dead_letters.append(RefusedEvent(source, result.reason, value))
                return written
            value, sensitive = result.value, result.sensitive
        pseudonym = None if key is None else hmac.new(self._pseudonym_key, key, "sha256").hexdigest().encode()
        self._log.append(ENCRYPTED, number, pseudonym, value, [one for one in headers if _may_leave(one, sensitive)])
        return written

    def write_encrypted(self, value: bytes | None, *, key: bytes | None = None, partition: int = 0) -> Written:
        """Put any record on the encrypted topic, as somebody who forges events would."""
        return self._log.append(ENCRYPTED, partition, key, value, ())

    def encrypted(self, partition: int = 0) -> list[bytes | None]:
        """Return the values on a partition of the encrypted topic."""
        return [record.value for record in self._log.records(ENCRYPTED, partition)]

    @property
    def _manifest(self) -> Manifest:
        return self._keyring.view.require_usable(now().timestamp())

    def _take(self, change: Change) -> None:
        for key, value in change.writes:
            self._keyring.offer(key, value, now=change.manifest.issued_at)
        active = self._manifest.active
        self._encryptor = PIIEncryptor(
            public_key=self._keyring.view.records[active.version.text].public_key,
            dek_version=active.version.text,
            policy=self._manifest.policy_of(active),
            signer=self._session_signer,
        )

    def _retire(self, version: str, state: DekState) -> None:
        manifest = self._manifest
        records = []
        deks = []
        for entry in manifest.deks:
            if entry.version.text == version and state is DekState.DESTROYED:
                record = replace(self._keyring.view.records[version], wraps={})
                records.append(record)
                deks.append(replace(entry, state=state, record_sha256=record.sha256))
            else:
                deks.append(replace(entry, state=state) if entry.version.text == version else entry)
        self._take(self._maker.change(manifest, replace(manifest, deks=tuple(deks)), records, now=now()))


def _may_leave(header: tuple[str, bytes | None], sensitive: Iterable[str]) -> bool:
    name, value = header
    if name.lower().startswith("aegis-"):
        return False
    return not any(text in name or text.encode() in (value or b"") for text in sensitive)

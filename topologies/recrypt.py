"""From a record of encrypted history to what is written of it: kept as it stands, encrypted anew, or refused.

An event below the given version is opened by the rules of a reader, encrypted under the active version with its
authenticated source, and opened again and compared before it may be written.  What an old policy had encrypted stays
encrypted, also where the policy in force would leave it in the clear.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, NamedTuple

from aegis_stream.client.claimed_version import event_version
from aegis_stream.client.received import ReceivedEvent, RefusedRecord
from aegis_stream.encryption import Opened, Protected, Rejected
from aegis_stream.encryption.strings import strict_dumps
from aegis_stream.errors import TooLongError, WriteReason
from aegis_stream.pii import Policy
from aegis_stream.sealing import SourceRecord, seal_record
from topologies.batches import batch_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiokafka import ConsumerRecord

    from aegis_stream.client.opening import Opening
    from aegis_stream.encryption import PIIDecryptor, WriterStats
    from aegis_stream.keyring.view import ActiveDek
    from aegis_stream.session_signer import SessionSigner
    from aegis_stream.wire import DekVersion
    from topologies.batches import SizeLimits
    from topologies.side_doors import Headers
    from topologies.writer import BatchEncryptor, Writer
    from topologies.writers import EncryptorFactory


class Fate(Enum):
    """What becomes of a record."""

    KEPT = auto()
    REENCRYPTED = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is written for one record: to the new topic, or, refused, to the topic of refused records.

    reason: why it was refused, from the closed lists of readers and writers; empty otherwise.
    """

    fate: Fate
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    reason: str = ""

    def __repr__(self) -> str:
        """Show nothing of the record."""
        return f"<Outcome {self.fate.name.lower()} {self.reason}>"


class NotTheSameError(Exception):
    """What was encrypted does not open to the event it was made from: a defect of ours, and nothing may be written."""


def strictest(old: Policy, new: Policy) -> Policy:
    """Return a policy under which a member is in the clear only where both leave it so."""
    if old == new:
        return new
    return Policy(
        id=new.id,
        names=_union(new.names, old.names),
        pointers=_union(new.pointers, old.pointers),
        exclude=tuple(entry for entry in new.exclude if entry in old.exclude),
    )


def _union(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


class PolicyEncryptors:
    """Encryptors to one DEK, one for each policy that old events were written under."""

    def __init__(
        self, make: EncryptorFactory, active: ActiveDek, signer: SessionSigner | None, max_output_bytes: int
    ) -> None:
        """Make the one for the policy in force."""
        self._make, self._signer, self._max_output_bytes = make, signer, max_output_bytes
        self._active = active
        self._made: dict[Policy, BatchEncryptor] = {active.policy: self._new(active.policy)}

    @property
    def stats(self) -> WriterStats:
        """Counts of the encryptor for the policy in force."""
        return self._made[self._active.policy].stats

    def for_events_of(self, old: Policy) -> BatchEncryptor:
        """Return the encryptor for events that were written under a policy."""
        policy = strictest(old, self._active.policy)
        if policy not in self._made:
            self._made[policy] = self._new(policy)
        return self._made[policy]

    def _new(self, policy: Policy) -> BatchEncryptor:
        return self._make(replace(self._active, policy=policy), self._signer, self._max_output_bytes)

    def protect_batch(
        self, raw: Sequence[bytes], *, sources: Sequence[str] | None = None, collect_sensitive: bool = False
    ) -> list[Protected | Rejected]:
        """Protect under the policy in force."""
        encryptor = self._made[self._active.policy]
        return encryptor.protect_batch(raw, sources=sources, collect_sensitive=collect_sensitive)


class _Told(NamedTuple):
    """An opened event, and the place of its record in the batch."""

    number: int
    raw: bytes
    source: str | None


class Recrypter:
    """Turns records into outcomes, in order, one for one."""

    def __init__(
        self,
        *,
        below: DekVersion,
        opening: Opening,
        decryptor: PIIDecryptor,
        policy_of: Callable[[str], Policy],
        limits: SizeLimits,
    ) -> None:
        """Open what stands below `below`.

        opening: over `decryptor`, which also looks at what was made.  policy_of: that of a DEK version in the manifest.
        limits: max.message.bytes of the new topic (`encrypted`) and of the topic of refused records (`dead_letter`).
        """
        self._below = below
        self._opening, self._decryptor = opening, decryptor
        self._policy_of = policy_of
        self._limits = limits

    async def recrypt(self, records: Sequence[ConsumerRecord], writer: Writer) -> list[Outcome]:
        """Judge a batch.

        Raises KEKError, KeyringStaleError, BrokerError: ask again; NotTheSameError.
        """
        outcomes: dict[int, Outcome] = {}
        closed: list[int] = []
        for index, record in enumerate(records):
            version = event_version(record.value)
            if record.value is None or (version is not None and version.n >= self._below.n):
                outcomes[index] = Outcome(Fate.KEPT, record.key, record.value, _headers(record))
            else:
                closed.append(index)
        opened = await self._opening.open([records[index] for index in closed])
        groups: dict[tuple[str, bool], list[_Told]] = {}
        for index, item in zip(closed, opened, strict=True):
            if isinstance(item, ReceivedEvent):
                told = _Told(index, strict_dumps(item.event), item.source)
                groups.setdefault((item.dek_version, item.source is None), []).append(told)
            elif isinstance(item, RefusedRecord):
                outcomes[index] = self._refused(records[index], str(item.reason), writer)
        for (version_text, _), group in groups.items():
            made = await asyncio.to_thread(self._protected, group, self._policy_of(version_text), writer)
            for told, result in zip(group, made, strict=True):
                outcomes[told.number] = self._written(records[told.number], result, writer)
        return [outcomes[index] for index in range(len(records))]

    def _protected(self, group: list[_Told], old: Policy, writer: Writer) -> list[Protected | Rejected]:
        """Encrypt events of one version and open them again; all of them have a source, or none."""
        encryptor: Any = writer.encryptor
        sources = [told.source or "" for told in group] if group[0].source is not None else None
        made: list[Protected | Rejected] = encryptor.for_events_of(old).protect_batch(
            [told.raw for told in group], sources=sources
        )
        good = [(told, result.value) for told, result in zip(group, made, strict=True) if isinstance(result, Protected)]
        for (told, _), again in zip(good, self._decryptor.open_batch([value for _, value in good]), strict=True):
            same = (
                isinstance(again, Opened)
                and again.dek_version == writer.dek_version
                and again.source == told.source
                and strict_dumps(again.event) == told.raw
            )
            if not same:
                raise NotTheSameError
        return made

    def _written(self, record: ConsumerRecord, result: Protected | Rejected, writer: Writer) -> Outcome:
        if isinstance(result, Rejected):
            return self._refused(record, str(result.reason), writer)
        headers = _headers(record)
        if batch_bytes(record.key, result.value, headers) > self._limits.encrypted:
            return self._refused(record, WriteReason.TOO_LARGE.value, writer)
        return Outcome(Fate.REENCRYPTED, record.key, result.value, headers)

    def _refused(self, record: ConsumerRecord, reason: str, writer: Writer) -> Outcome:
        """Seal a record whole to the active DEK, so that nothing of it is lost with the old topic."""
        place = SourceRecord(record.topic, record.partition, record.offset)
        sealed: bytes | None = None
        with suppress(TooLongError):  # the format has no room for these headers; key and value it always has
            sealed = _sealed(record, record.headers, place, reason, writer)
        if sealed is None:
            sealed = _sealed(record, (), place, reason, writer)
        headers: list[tuple[str, bytes | None]] = [
            ("aegis-dek-version", writer.dek_version.encode()),
            ("aegis-source", f"{place.topic}/{place.partition}/{place.offset}".encode()),
            ("aegis-reason", reason.encode()),
        ]
        return Outcome(Fate.REFUSED, None, sealed, headers, reason)


def _sealed(record: ConsumerRecord, headers: Headers, place: SourceRecord, reason: str, writer: Writer) -> bytes:
    return seal_record(
        dek_public_key=writer.dek_public_key,
        dek_version=writer.dek_version,
        source=place,
        reason=reason,
        key=record.key,
        value=record.value,
        headers=headers,
    )


def _headers(record: ConsumerRecord) -> list[tuple[str, bytes | None]]:
    headers: Headers = record.headers
    return list(headers)

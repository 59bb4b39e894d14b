"""The records about commands that a process has read from the control topic, by command.

Anybody may write to the topic.  So a record with a right signature is never displaced by one without, the first signed
payload of an id stays, and what nobody known has signed is kept within a budget only (an approval by a new key may
stand before the command that brings that key).

Signatures are looked at as the manifest in force stands.  After compaction the manifest stands behind the commands that
it must judge, so a process that starts reads the topic to its end for the keyring first, and then once more for this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aegis_stream.control.cases import Case, candidates
from aegis_stream.control.command import Command
from aegis_stream.control.result import Result
from aegis_stream.control.signing import signers_of
from aegis_stream.control.topic_keys import Slot, TopicKey
from aegis_stream.errors import CommandReason, CommandRefusedError, ManifestRefusedError
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import KeyState, Role
from aegis_stream.signature import HybridSignature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aegis_stream.keyring.manifest import Manifest

UNSIGNED_BUDGET_BYTES = 16_777_216


@dataclass(slots=True)
class _Entry:
    """What is known about one command id."""

    records: dict[TopicKey, Envelope] = field(default_factory=dict)
    result: Result | None = None


class CommandBook:
    """Offer it every record of the control topic in the topic's order; it keeps those about commands."""

    def __init__(self, *, unsigned_budget_bytes: int = UNSIGNED_BUDGET_BYTES) -> None:
        """`unsigned_budget_bytes` bounds what nobody known has signed; the oldest goes first."""
        self._budget_bytes = unsigned_budget_bytes
        self._entries: dict[str, _Entry] = {}
        self._unsigned: dict[TopicKey, int] = {}
        self._unsigned_bytes = 0

    def offer(self, key: str, value: bytes | None, *, manifest: Manifest) -> CommandReason | None:
        """Take one record; returns why it was not taken, None where it was or where it is about no command.

        A case is verified again when it is judged.  A tombstone removes only what nobody known has signed.
        """
        topic_key = TopicKey.parse(key)
        if topic_key is None:
            return None
        if value is None:
            return self._offer_tombstone(topic_key, manifest)
        try:
            envelope = Envelope.parse(value, topic_key.kind)
        except ManifestRefusedError:
            return CommandReason.ENVELOPE
        if topic_key.kind is Kind.RESULT:
            return self._offer_result(topic_key, envelope, manifest)
        return self._offer_envelope(topic_key, envelope, len(value), manifest)

    def case(self, command_id: str) -> Case | None:
        """Return what is known about one command; None as long as the command itself has not been read."""
        entry = self._entries.get(command_id)
        command = None if entry is None else entry.records.get(TopicKey(Kind.COMMAND, command_id))
        if entry is None or command is None:
            return None
        return Case(
            id=command_id,
            command=command,
            approvals={Slot(part): envelope for part, envelope in _parts(entry, Kind.APPROVAL)},
            rejections={Role(part): envelope for part, envelope in _parts(entry, Kind.REJECTION)},
            rewraps=dict(_parts(entry, Kind.REWRAP)),
        )

    def cases(self) -> tuple[Case, ...]:
        """Return every command, in the order of their ids, which is that of their issue."""
        found = (self.case(command_id) for command_id in sorted(self._entries))
        return tuple(case for case in found if case is not None)

    def result(self, command_id: str) -> Result | None:
        """Return the agent's answer to one command."""
        entry = self._entries.get(command_id)
        return None if entry is None else entry.result

    def take_rewraps(self, version: str) -> tuple[str, ...]:
        """Let go of every rewrap of a DEK, whatever its command, and return their keys on the topic."""
        keys = [key for entry in self._entries.values() for key in entry.records if _is_rewrap(key, version)]
        for key in keys:
            self._drop(key)
        return tuple(sorted(key.text for key in keys))

    def forget(self, command_id: str) -> None:
        """Let go of everything about a command."""
        entry = self._entries.pop(command_id, _Entry())
        for key in entry.records:
            self._note_signed(key)

    def _offer_envelope(self, key: TopicKey, envelope: Envelope, size: int, manifest: Manifest) -> CommandReason | None:
        entry = self._entries.setdefault(key.command_id, _Entry())
        is_signed = _is_signed(envelope, entry, manifest)
        held = entry.records.get(key)
        if held is not None and _is_signed(held, entry, manifest):
            if not is_signed:
                return CommandReason.SIGNATURE
            if key.kind is Kind.COMMAND and held.payload != envelope.payload:
                return CommandReason.REPLAY
        entry.records[key] = envelope
        self._note_signed(key)
        if not is_signed:
            self._unsigned[key] = size
            self._unsigned_bytes += size
            while self._unsigned_bytes > self._budget_bytes:
                self._drop(next(iter(self._unsigned)))
        return None

    def _offer_tombstone(self, key: TopicKey, manifest: Manifest) -> CommandReason | None:
        entry = self._entries.get(key.command_id, _Entry())
        held = entry.records.get(key)
        if held is not None and not _is_signed(held, entry, manifest):
            self._drop(key)
            return None
        return None if held is None else CommandReason.SIGNATURE

    def _offer_result(self, key: TopicKey, envelope: Envelope, manifest: Manifest) -> CommandReason | None:
        agents = {agent.id: agent.public_key for agent in manifest.agents if agent.state is not KeyState.REVOKED}

        def verify(key_id: str, message: bytes, signature: bytes) -> bool:
            return key_id in agents and HybridSignature.verify(agents[key_id], message, signature)

        if not envelope.verified_by(verify):
            return CommandReason.SIGNATURE
        try:
            result = Result.from_payload(envelope.payload)
        except CommandRefusedError as error:
            return error.command_reason
        if (result.id, result.deployment) != (key.command_id, manifest.deployment):
            return CommandReason.MISMATCH
        entry = self._entries.setdefault(key.command_id, _Entry())
        if entry.result is not None and result.sequence < entry.result.sequence:
            return CommandReason.REPLAY
        entry.result = result
        return None

    def _note_signed(self, key: TopicKey) -> None:
        """Take a record out of the budget: it is signed, or gone."""
        self._unsigned_bytes -= self._unsigned.pop(key, 0)

    def _drop(self, key: TopicKey) -> None:
        self._note_signed(key)
        entry = self._entries[key.command_id]
        entry.records.pop(key, None)
        if not entry.records and entry.result is None:
            del self._entries[key.command_id]


def _is_rewrap(key: TopicKey, version: str) -> bool:
    return key.kind is Kind.REWRAP and key.part == version


def _parts(entry: _Entry, kind: Kind) -> list[tuple[str, Envelope]]:
    return [(key.part, envelope) for key, envelope in entry.records.items() if key.kind is kind]


def _is_signed(envelope: Envelope, entry: _Entry, manifest: Manifest) -> bool:
    """Tell whether somebody whose signature can count has signed an envelope."""
    return bool(signers_of(envelope, _known_keys(entry.records, manifest)))


def _known_keys(records: Mapping[TopicKey, Envelope], manifest: Manifest) -> list[bytes]:
    command: Command | None = None
    for key, envelope in records.items():
        if key.kind is Kind.COMMAND:
            try:
                command = Command.from_payload(envelope.payload)
            except CommandRefusedError:
                command = None
    return list(candidates(command, manifest).values())

"""The commands that the rotation agent has read: which of them is to be decided now, and which are answered for good.

No I/O.  A case is looked at when one of its records came in, when its time is over, and when the custodians changed; so
what attackers leave on the topic is judged once.  What is signed by nobody known, or does not count, is counted and
logged without a byte of it, and not answered.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import structlog

from aegis_stream.control import ApprovalState, CommandBook, Outcome, TopicKey, decide, judge
from aegis_stream.control.arguments import DestroyDek
from aegis_stream.control.cases import role_keys
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dsse import Kind

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from aegis_stream.control import Case, Decision, Judgement, Result, Terms
    from aegis_stream.keyring.dek_record import DekRecord
    from aegis_stream.keyring.manifest import Manifest

LOGGED_EACH = 10
LOGGED_EVERY = 100

_OF_REJECTION = "rejection/"

_Custody: TypeAlias = tuple[object, ...]
_log = structlog.get_logger(__name__)


class CommandDesk:
    """Offer it every record of the control topic, then ask `next_decision` until there is none."""

    def __init__(self, *, terms: Terms) -> None:
        """Nothing has been read; `ignored` counts records that are about commands and do not count, by reason."""
        self.ignored: Counter[CommandReason] = Counter()
        self._terms = terms
        self._book = CommandBook()
        self._answers: dict[str, bytes] = {}
        self._touched: Counter[str] = Counter()
        self._deadlines: dict[str, dt.datetime] = {}
        self._not_counting: dict[str, frozenset[tuple[str, CommandReason]]] = {}
        self._custody: _Custody = ()

    def set_brokers_clear(self, after: dt.timedelta | None) -> None:
        """Go by how long the topic's brokers hold what was overwritten; None: nobody can say."""
        self._terms = replace(self._terms, brokers_clear=after)

    def offer(self, key: str, value: bytes | None, *, manifest: Manifest, live: bool = True) -> bool:
        """Take one record; returns True if it may bring a decision.

        live: it was written just now, so that a command that is answered already is a replay and no history.
        """
        topic_key = TopicKey.parse(key)
        if topic_key is None:
            return False
        command_id = topic_key.command_id
        if command_id in self._answers and topic_key.kind is not Kind.RESULT:
            if live and topic_key.kind is Kind.COMMAND and value is not None:
                self._ignore(CommandReason.REPLAY, topic_key)
            return False
        refusal = self._book.offer(key, value, manifest=manifest)
        if refusal is not None:
            self._ignore(refusal, topic_key)
            return False
        if topic_key.kind is Kind.RESULT:
            result = self._book.result(command_id)
            if value is not None and result is not None:
                self.answered(result, value)
            return False
        self._touched[command_id] += 1
        return True

    def next_decision(
        self, *, manifest: Manifest, records: Mapping[str, DekRecord], now: dt.datetime
    ) -> Decision | None:
        """Return what is to be done about the oldest command that can be decided; None where there is none.

        Carry it out and tell `answered` before asking again.
        """
        self._look_again_where_custody_changed(manifest)
        due = {command_id for command_id, when in self._deadlines.items() if when <= now}
        for command_id in sorted(due | self._touched.keys()):
            touches = self._touched.pop(command_id, 0)
            self._deadlines.pop(command_id, None)
            case = self._book.case(command_id)
            if case is None:
                continue
            decision = decide(case, manifest=manifest, records=records, now=now, terms=self._terms)
            judgement = judge(case, manifest=manifest, now=now)
            self._note_what_does_not_count(case, judgement, touches)
            if decision is not None:
                return self._with_wraps_that_were_left(decision, judgement)
            self._set_deadline(command_id, judgement, manifest)
        return None

    def answered(self, result: Result, value: bytes) -> None:
        """Take note of an answer that stands on the topic as `value`; after a final one the command is closed."""
        if result.outcome is Outcome.WAITING:
            if result.effective_at is not None:
                self._deadlines[result.id] = result.effective_at
            return
        self._answers[result.id] = value
        self._book.forget(result.id)
        self._touched.pop(result.id, None)
        self._deadlines.pop(result.id, None)
        self._not_counting.pop(result.id, None)

    def next_deadline(self) -> dt.datetime | None:
        """Return when the next command is to be looked at even if nothing comes in."""
        return min(self._deadlines.values(), default=None)

    def genuine(self, manifest: Manifest) -> dict[str, bytes]:
        """Return the answers to remembered commands by their keys: nobody else may write under these."""
        found = {}
        for entry in manifest.executed:
            value = self._answers.get(entry.id)
            if value is not None:
                found[TopicKey(Kind.RESULT, entry.id).text] = value
        return found

    def _with_wraps_that_were_left(self, decision: Decision, judgement: Judgement) -> Decision:
        """Let a destruction take every rewrap of its DEK along.

        One that an interrupted `aegis kek rewrap` has left is in no state, and nothing would ever overwrite it.
        """
        arguments = None if judgement.command is None else judgement.command.arguments
        if not isinstance(arguments, DestroyDek) or decision.result.outcome is not Outcome.EXECUTED:
            return decision
        left = self._book.take_rewraps(arguments.version.text)
        return replace(decision, tombstones=tuple(sorted({*decision.tombstones, *left})))

    def _look_again_where_custody_changed(self, manifest: Manifest) -> None:
        custody: _Custody = (manifest.custodians, manifest.recovery_key)
        if custody != self._custody:
            self._custody = custody
            for case in self._book.cases():
                self._touched.setdefault(case.id, 0)

    def _set_deadline(self, command_id: str, judgement: Judgement, manifest: Manifest) -> None:
        if judgement.state is ApprovalState.PARTIAL and judgement.command is not None:
            self._deadlines[command_id] = judgement.command.expires_at
        elif judgement.state is ApprovalState.WAITING:
            waits = [keys.waiting.since for keys in role_keys(manifest).values() if keys.waiting is not None]
            self._deadlines[command_id] = min(waits)

    def _note_what_does_not_count(self, case: Case, judgement: Judgement, touches: int) -> None:
        if judgement.state is ApprovalState.PENDING:
            for _ in range(touches):
                self._ignore(judgement.reason or CommandReason.SIGNATURE, TopicKey(Kind.COMMAND, case.id))
        ignored = frozenset(() if judgement.signatures is None else judgement.signatures.ignored)
        for part, reason in ignored - self._not_counting.get(case.id, frozenset()):
            role = part.removeprefix(_OF_REJECTION)
            kind = Kind.APPROVAL if role == part else Kind.REJECTION
            self._ignore(reason, TopicKey(kind, case.id, role))
        self._not_counting[case.id] = ignored

    def _ignore(self, reason: CommandReason, key: TopicKey) -> None:
        """Count a record, and log it: the first ones each, then now and then, for there may be a flood of them."""
        self.ignored[reason] += 1
        count = self.ignored[reason]
        if count <= LOGGED_EACH or count % LOGGED_EVERY == 0:
            _log.warning("a record does not count", key=key.text, reason=reason.value, so_far=count)

"""What became of a command; the rotation agent signs it.

    {"v": 1, "id": …, "deployment": …, "outcome": …, "sequence": manifest's, "decided_at": "…Z", "message": …, …}

Further members are there where they mean something: `kind`, `reason` (refused), `active_version` (rotated),
`effective_at` (waiting for a veto), `binds_by` (a revocation binds every follower by then), and for a destruction
`brokers_clear_at`, `keks` (those that wrapped the key) and `copies_attested`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeVar

import orjson

from aegis_stream.control.arguments import KEK_ID
from aegis_stream.control.command import FORMAT_VERSION
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.strictly import strictly
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import COMMAND_ID
from aegis_stream.keyring.manifest import DEPLOYMENT, MAX_KEKS
from aegis_stream.keyring.strict_json import Members, time_text

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from aegis_stream.wire import DekVersion

T = TypeVar("T")

MAX_RESULT_BYTES = 16_384
_MESSAGE_LENGTH = 1_000
_MESSAGE = re.compile(rf"[^\x00-\x1f\x7f]{{0,{_MESSAGE_LENGTH}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Outcome(StrEnum):
    """How it ended, or that it waits for a veto."""

    EXECUTED = "executed"
    REFUSED = "refused"
    EXPIRED = "expired"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The agent's answer to one command; what does not apply is None."""

    id: str
    deployment: str
    outcome: Outcome
    sequence: int
    decided_at: dt.datetime
    message: str = ""
    kind: CommandKind | None = None
    reason: CommandReason | None = None
    active_version: DekVersion | None = None
    effective_at: dt.datetime | None = None
    binds_by: dt.datetime | None = None
    brokers_clear_at: dt.datetime | None = None
    keks: tuple[str, ...] | None = None
    copies_attested: bool | None = None

    def to_payload(self) -> bytes:
        """Return the JSON that is signed."""
        shape: dict[str, object] = {
            "v": FORMAT_VERSION,
            "id": self.id,
            "deployment": self.deployment,
            "outcome": self.outcome.value,
            "sequence": self.sequence,
            "decided_at": time_text(self.decided_at),
            "message": self.message,
        }
        for name in ("kind", "reason"):
            if (word := getattr(self, name)) is not None:
                shape[name] = word.value
        for name in ("effective_at", "binds_by", "brokers_clear_at"):
            if (when := getattr(self, name)) is not None:
                shape[name] = time_text(when)
        if self.active_version is not None:
            shape["active_version"] = self.active_version.text
        if self.keks is not None:
            shape["keks"] = [{"id": kek} for kek in self.keks]
        if self.copies_attested is not None:
            shape["copies_attested"] = self.copies_attested
        return orjson.dumps(shape)

    @classmethod
    def from_payload(cls, raw: bytes) -> Self:
        """Read the JSON of an envelope that the agent has signed.  Raises CommandRefusedError(PAYLOAD)."""
        return strictly(lambda: cls._take(Members.parse(raw, record="result", max_bytes=MAX_RESULT_BYTES)))

    @classmethod
    def _take(cls, members: Members) -> Self:
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")

        def optional(name: str, take: Callable[[str], T]) -> T | None:
            return take(name) if members.has(name) else None

        result = cls(
            id=members.text("id", COMMAND_ID),
            deployment=members.text("deployment", DEPLOYMENT),
            outcome=members.choice("outcome", Outcome),
            sequence=members.whole("sequence", least=1),
            decided_at=members.time("decided_at"),
            message=members.text("message", _MESSAGE),
            kind=optional("kind", lambda name: members.choice(name, CommandKind)),
            reason=optional("reason", lambda name: members.choice(name, CommandReason)),
            active_version=optional("active_version", members.version),
            effective_at=optional("effective_at", members.time),
            binds_by=optional("binds_by", members.time),
            brokers_clear_at=optional("brokers_clear_at", members.time),
            keks=optional("keks", lambda name: members.each(name, _take_kek, what="a KEK", most=MAX_KEKS)),
            copies_attested=optional("copies_attested", members.flag),
        )
        members.done()
        if (result.reason is not None) != (result.outcome is Outcome.REFUSED):
            members.refuse("the reason and the outcome do not agree")
        if (result.effective_at is not None) != (result.outcome is Outcome.WAITING):
            members.refuse("effective_at and the outcome do not agree")
        return result


def one_line(text: str) -> str:
    """Return a text that may stand as a result's message: no control characters, at most 1,000 characters."""
    return _CONTROL.sub(" ", text)[:_MESSAGE_LENGTH]


def _take_kek(members: Members) -> str:
    return members.text("id", KEK_ID)

"""A command: what operators ask of the rotation agent.

    {"v": 1, "id": UUIDv7, "deployment": …, "kind": …, "arguments": {…}, "reason": …,
     "issued_at": "…Z", "expires_at": "…Z"}

The bytes are signed as they stand, so a command is written once and never again from its parts.
See docs/control-topic.md, "Commands"; schemas/command.schema.json has its shape.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import re
import secrets
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson

from aegis_stream.control.arguments import (
    DestroyDek,
    EnrolEnricher,
    RetireEnricher,
    RetireKek,
    RevokeDek,
    RevokeEnricher,
    RotateDek,
    RotateKek,
    SetMinimumVersion,
    SetPolicy,
)
from aegis_stream.control.custody_arguments import (
    EmergencyRotate,
    ReplaceAgentKey,
    ReplaceCustodian,
    SetRecoveryKey,
)
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.strictly import strictly
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import MAX_ENVELOPE_BYTES
from aegis_stream.keyring.entries import COMMAND_ID
from aegis_stream.keyring.manifest import DEPLOYMENT
from aegis_stream.keyring.strict_json import Members, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION = 1
MAX_LIFE = dt.timedelta(hours=24)
REASON = re.compile(r"[^\x00-\x1f\x7f]{1,500}")

Arguments = (
    RotateDek
    | SetPolicy
    | RevokeDek
    | SetMinimumVersion
    | DestroyDek
    | EnrolEnricher
    | RetireEnricher
    | RevokeEnricher
    | RotateKek
    | RetireKek
    | ReplaceCustodian
    | ReplaceAgentKey
    | SetRecoveryKey
    | EmergencyRotate
)

ARGUMENTS: Mapping[CommandKind, type[Arguments]] = {
    shape.kind: shape
    for shape in (
        RotateDek,
        SetPolicy,
        RevokeDek,
        SetMinimumVersion,
        DestroyDek,
        EnrolEnricher,
        RetireEnricher,
        RevokeEnricher,
        RotateKek,
        RetireKek,
        ReplaceCustodian,
        ReplaceAgentKey,
        SetRecoveryKey,
        EmergencyRotate,
    )
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command, read or about to be written; its life is more than nothing and at most 24 hours."""

    id: str
    deployment: str
    arguments: Arguments
    reason: str
    issued_at: dt.datetime
    expires_at: dt.datetime

    @property
    def kind(self) -> CommandKind:
        """What it asks for."""
        return self.arguments.kind

    @classmethod
    def new(
        cls, arguments: Arguments, *, deployment: str, reason: str, now: dt.datetime, life: dt.timedelta = MAX_LIFE
    ) -> Self:
        """Make a command with a fresh id.  Raises CommandRefusedError: PAYLOAD, LIFETIME."""
        issued_at = now.astimezone(dt.UTC).replace(microsecond=0)
        command = cls(new_command_id(now), deployment, arguments, reason, issued_at, issued_at + life)
        payload = b""
        with contextlib.suppress(orjson.JSONEncodeError):  # half of a surrogate pair; payload stays empty
            payload = command.to_payload()
        return cls.from_payload(payload)  # what cannot be read is not written

    def to_payload(self) -> bytes:
        """Return the JSON that is signed."""
        return orjson.dumps(
            {
                "v": FORMAT_VERSION,
                "id": self.id,
                "deployment": self.deployment,
                "kind": self.kind.value,
                "arguments": self.arguments.to_json(),
                "reason": self.reason,
                "issued_at": time_text(self.issued_at),
                "expires_at": time_text(self.expires_at),
            }
        )

    @classmethod
    def from_payload(cls, raw: bytes) -> Self:
        """Read the JSON of an envelope.

        Raises CommandRefusedError: PAYLOAD (another version of the format, an unknown kind, a member unknown, missing
        or not of its form), LIFETIME (it would live longer than 24 hours, or not at all).
        """
        command = strictly(lambda: cls._take(Members.parse(raw, record="command", max_bytes=MAX_ENVELOPE_BYTES)))
        if not dt.timedelta(0) < command.expires_at - command.issued_at <= MAX_LIFE:
            raise CommandRefusedError(
                CommandReason.LIFETIME,
                "command: it expires before it was issued, or lives longer than 24 hours",
                remedy="issue it again with a life of at most 24 hours",
            )
        return command

    @classmethod
    def _take(cls, members: Members) -> Self:
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        kind = members.choice("kind", CommandKind)
        arguments = members.members("arguments", what="the arguments")
        taken = ARGUMENTS[kind].take(arguments)
        arguments.done()
        command = cls(
            id=members.text("id", COMMAND_ID),
            deployment=members.text("deployment", DEPLOYMENT),
            arguments=taken,
            reason=members.text("reason", REASON),
            issued_at=members.time("issued_at"),
            expires_at=members.time("expires_at"),
        )
        members.done()
        return command


def new_command_id(now: dt.datetime) -> str:
    """Return a UUIDv7: 48 bits of milliseconds since 1970, then 74 random bits."""
    millis = int(now.timestamp() * 1000) & (2**48 - 1)
    value = millis << 80 | 7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def payload_sha256(payload: bytes) -> str:
    """Return what rejections and rewraps name a command's payload by: its SHA-256 in hex."""
    return hashlib.sha256(payload).hexdigest()

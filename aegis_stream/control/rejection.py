"""A custodian's refusal of a command, or the veto of a replaced key.

{"v": 1, "id": …, "deployment": …, "role": …, "command_sha256": hex, "reason": …, "rejected_at": "…Z"}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson

from aegis_stream.control.command import FORMAT_VERSION, REASON
from aegis_stream.control.strictly import strictly
from aegis_stream.keyring.entries import COMMAND_ID, SHA256_HEX, Role
from aegis_stream.keyring.manifest import DEPLOYMENT
from aegis_stream.keyring.strict_json import Members, time_text

if TYPE_CHECKING:
    import datetime as dt

MAX_REJECTION_BYTES = 8_192


@dataclass(frozen=True, slots=True)
class Rejection:
    """Who says no to which payload, and why."""

    id: str
    deployment: str
    role: Role
    command_sha256: str
    reason: str
    rejected_at: dt.datetime

    def to_payload(self) -> bytes:
        """Return the JSON that is signed."""
        return orjson.dumps(
            {
                "v": FORMAT_VERSION,
                "id": self.id,
                "deployment": self.deployment,
                "role": self.role.value,
                "command_sha256": self.command_sha256,
                "reason": self.reason,
                "rejected_at": time_text(self.rejected_at),
            }
        )

    @classmethod
    def from_payload(cls, raw: bytes) -> Self:
        """Read the JSON of an envelope.  Raises CommandRefusedError(PAYLOAD)."""
        return strictly(lambda: cls._take(Members.parse(raw, record="rejection", max_bytes=MAX_REJECTION_BYTES)))

    @classmethod
    def _take(cls, members: Members) -> Self:
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        rejection = cls(
            id=members.text("id", COMMAND_ID),
            deployment=members.text("deployment", DEPLOYMENT),
            role=members.choice("role", Role),
            command_sha256=members.text("command_sha256", SHA256_HEX),
            reason=members.text("reason", REASON),
            rejected_at=members.time("rejected_at"),
        )
        members.done()
        return rejection

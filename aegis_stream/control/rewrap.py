"""One DEK's private key wrapped under the new KEK, offered to the agent.

    {"v": 1, "id": command id, "version": …, "kek": "kek-…", "wrapped": b64 (3,582)}

Counts only where the signed command names the SHA-256 of exactly this payload.  Whoever lacks the KEK learns nothing
from it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson

from aegis_stream.control.arguments import KEK_ID
from aegis_stream.control.command import FORMAT_VERSION
from aegis_stream.control.strictly import strictly
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import COMMAND_ID
from aegis_stream.keyring.strict_json import Members, octets_text
from aegis_stream.wrapping import WRAPPED_BYTES

if TYPE_CHECKING:
    from aegis_stream.wire import DekVersion

MAX_REWRAP_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Rewrap:
    """A wrapped key (3,582 bytes) of one DEK version under one KEK."""

    id: str
    version: DekVersion
    kek: str
    wrapped: bytes = field(repr=False)

    def to_payload(self) -> bytes:
        """Return the JSON whose hash the command names."""
        return orjson.dumps(
            {
                "v": FORMAT_VERSION,
                "id": self.id,
                "version": self.version.text,
                "kek": self.kek,
                "wrapped": octets_text(self.wrapped),
            }
        )

    @classmethod
    def from_payload(cls, raw: bytes) -> Self:
        """Read the JSON of an envelope.  Raises CommandRefusedError(REWRAP)."""
        return strictly(
            lambda: cls._take(Members.parse(raw, record="rewrap", max_bytes=MAX_REWRAP_BYTES)), CommandReason.REWRAP
        )

    @classmethod
    def _take(cls, members: Members) -> Self:
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        rewrap = cls(
            id=members.text("id", COMMAND_ID),
            version=members.version("version"),
            kek=members.text("kek", KEK_ID),
            wrapped=members.octets("wrapped", length=WRAPPED_BYTES),
        )
        members.done()
        return rewrap

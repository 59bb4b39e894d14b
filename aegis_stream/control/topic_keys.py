"""The keys of the control topic's records about commands.

    command/<id>   approval/<id>/<slot>   rejection/<id>/<role>   rewrap/<id>/<DEK version>   result/<id>

A slot keeps the signatures of different people from overwriting each other; who signed is told by the signature alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.entries import COMMAND_ID, Role
from aegis_stream.wire.versions import is_dek_version

_KINDS = {kind.value: kind for kind in (Kind.COMMAND, Kind.APPROVAL, Kind.REJECTION, Kind.REWRAP, Kind.RESULT)}


class Slot(StrEnum):
    """Under which key an approval stands: a custodian's role, a role's new key, or the recovery key."""

    RISK_LEAD = "risk-lead"
    SECURITY_LEAD = "security-lead"
    NEW_RISK_LEAD = "new-risk-lead"
    NEW_SECURITY_LEAD = "new-security-lead"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class TopicKey:
    """A parsed key; `part` is the slot, role or version, empty for commands and results."""

    kind: Kind
    command_id: str
    part: str = ""

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """Read a key; None for keys that are not about commands or not of their form."""
        name, _, rest = key.partition("/")
        command_id, _, part = rest.partition("/")
        kind = _KINDS.get(name)
        if kind is None or not COMMAND_ID.fullmatch(command_id):
            return None
        parsed = cls(kind, command_id, part)
        return parsed if parsed._is_whole() and parsed.text == key else None

    @property
    def text(self) -> str:
        """The key as it stands on the topic."""
        return f"{self.kind}/{self.command_id}" + (f"/{self.part}" if self.part else "")

    def _is_whole(self) -> bool:
        """Tell whether the third part is one of those that the kind has."""
        if self.kind is Kind.APPROVAL:
            return self.part in set(Slot)
        if self.kind is Kind.REJECTION:
            return self.part in set(Role)
        if self.kind is Kind.REWRAP:
            return is_dek_version(self.part)
        return not self.part

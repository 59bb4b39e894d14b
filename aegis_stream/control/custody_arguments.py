"""The arguments of commands about custodians, the recovery key and the rotation agent's key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from aegis_stream.control.kinds import CommandKind, Signing
from aegis_stream.custodian.bip322 import PUBLIC_KEY_BYTES, is_public_key
from aegis_stream.keyring.entries import Role, check_key
from aegis_stream.keyring.strict_json import octets_text
from aegis_stream.signature import PUBLIC_KEY_BYTES as AGENT_PUBLIC_BYTES
from aegis_stream.signature import check_agent_public

if TYPE_CHECKING:
    from aegis_stream.keyring.strict_json import Members
    from aegis_stream.wire import DekVersion

MAX_REVOKED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Replacement:
    """A role and its new x-only public key (32 bytes)."""

    role: Role
    public_key: bytes

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read both."""
        return cls(members.choice("role", Role), _take_custodian_key(members, "public_key"))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"role": self.role.value, "public_key": octets_text(self.public_key)}


@dataclass(frozen=True, slots=True)
class ReplaceCustodian:
    """The role's key is replaced, the old one revoked with the time."""

    replacement: Replacement

    kind: ClassVar[CommandKind] = CommandKind.REPLACE_CUSTODIAN
    signing: ClassVar[Signing] = Signing.REPLACEMENT

    @property
    def replacements(self) -> tuple[Replacement, ...]:
        """The one replacement."""
        return (self.replacement,)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read role and key."""
        return cls(Replacement.take(members))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return self.replacement.to_json()


@dataclass(frozen=True, slots=True)
class ReplaceAgentKey:
    """The rotation agent signs with this key (1,344 bytes) from now on; followers must pin it beforehand."""

    public_key: bytes

    kind: ClassVar[CommandKind] = CommandKind.REPLACE_AGENT_KEY
    signing: ClassVar[Signing] = Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read a key of which both halves are sound."""
        public_key = members.octets("public_key", length=AGENT_PUBLIC_BYTES)
        check_key(members, public_key, check_agent_public)
        return cls(public_key)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"public_key": octets_text(self.public_key)}


@dataclass(frozen=True, slots=True)
class SetRecoveryKey:
    """The key (x-only, 32 bytes) that may sign to skip the wait when a custodian's key is lost or stolen."""

    public_key: bytes

    kind: ClassVar[CommandKind] = CommandKind.SET_RECOVERY_KEY
    signing: ClassVar[Signing] = Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the key."""
        return cls(_take_custodian_key(members, "public_key"))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"public_key": octets_text(self.public_key)}


@dataclass(frozen=True, slots=True)
class EmergencyRotate:
    """The answer to a compromise in one command.

    `replacements`: custodians' keys to replace, at most one a role.  `rotate_dek`: make a new active DEK.
    `revoke`: DEKs to revoke, the one that the rotation replaces may be among them.
    """

    replacements: tuple[Replacement, ...]
    rotate_dek: bool
    revoke: tuple[DekVersion, ...]

    kind: ClassVar[CommandKind] = CommandKind.EMERGENCY_ROTATE

    @property
    def signing(self) -> Signing:
        """As replace-custodian where it replaces a key, both otherwise."""
        return Signing.REPLACEMENT if self.replacements else Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read what is asked for; it must ask for something, and for nothing twice."""
        replacements = members.each("replace", Replacement.take, what="a replacement", most=len(Role))
        rotate_dek = members.flag("rotate_dek")
        revoke = members.each("revoke", _take_version, what="a DEK to revoke", most=MAX_REVOKED_AT_ONCE)
        for things in (
            [replacement.role for replacement in replacements],
            [replacement.public_key for replacement in replacements],
            [version.text for version in revoke],
        ):
            if len(set(things)) != len(things):
                members.refuse("a role, a key or a DEK stands twice")
        if not (replacements or rotate_dek or revoke):
            members.refuse("it asks for nothing")
        return cls(replacements, rotate_dek, revoke)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            "replace": [replacement.to_json() for replacement in self.replacements],
            "rotate_dek": self.rotate_dek,
            "revoke": [{"version": version.text} for version in self.revoke],
        }


def _take_custodian_key(members: Members, name: str) -> bytes:
    public_key = members.octets(name, length=PUBLIC_KEY_BYTES)
    if not is_public_key(public_key):
        members.refuse(f'the member "{name}" is no point of the curve')
    return public_key


def _take_version(members: Members) -> DekVersion:
    return members.version("version")

"""What a manifest says about each key: DEKs, KEKs, agents, custodians and enrichers.

Every entry reads itself from JSON (`take`) and writes itself (`to_json`), and refuses to say what cannot be.
See docs/control-topic.md, "The manifest".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from aegis_stream.errors import KeyRefusedError
from aegis_stream.hybrid import PUBLIC_KEY_BYTES as KEK_PUBLIC_BYTES
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.keyring.strict_json import octets_text, time_text
from aegis_stream.signature import (
    ED25519_PUBLIC_BYTES,
    agent_key_id,
    check_agent_public,
    check_ed25519_public,
)
from aegis_stream.signature import PUBLIC_KEY_BYTES as AGENT_PUBLIC_BYTES
from aegis_stream.wire import DekVersion, kek_id, signer_id

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from aegis_stream.keyring.strict_json import Members

CUSTODIAN_PUBLIC_BYTES = 32
MAX_DEK_NUMBER = 999_999_999

SHA256_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
COMMAND_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)
"""UUIDv7, lower-case."""


class DekState(StrEnum):
    """The life of a DEK; in this order, never back."""

    ACTIVE = "active"
    DECRYPT_ONLY = "decrypt-only"
    REVOKED = "revoked"
    DESTROYED = "destroyed"

    @property
    def rank(self) -> int:
        """How far along its life it is, from 0."""
        return list(DekState).index(self)


class KekState(StrEnum):
    """`current` wraps new DEKs; `grace` still opens those it wrapped."""

    CURRENT = "current"
    GRACE = "grace"


class KeyState(StrEnum):
    """The life of a signing key; in this order, never back."""

    CURRENT = "current"
    RETIRED = "retired"
    REVOKED = "revoked"

    @property
    def rank(self) -> int:
        """How far along its life it is, from 0."""
        return list(KeyState).index(self)


class Role(StrEnum):
    """The two custodians."""

    RISK_LEAD = "risk-lead"
    SECURITY_LEAD = "security-lead"


@dataclass(frozen=True, slots=True)
class DekEntry:
    """One DEK: its version and state, and the SHA-256 (hex) of the record that holds its keys."""

    version: DekVersion
    state: DekState
    created_at: dt.datetime
    policy: str
    signed: bool
    record_sha256: str

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one; the date in the version is the day of creation."""
        version = members.version("version")
        entry = cls(
            version=version,
            state=members.choice("state", DekState),
            created_at=members.time("created_at"),
            policy=members.text("policy"),
            signed=members.flag("signed"),
            record_sha256=members.text("record_sha256", SHA256_HEX),
        )
        if entry.created_at.date() != version.date:
            members.refuse("created_at is not on the day that the version names")
        return entry

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            "version": self.version.text,
            "state": self.state.value,
            "created_at": time_text(self.created_at),
            "policy": self.policy,
            "signed": self.signed,
            "record_sha256": self.record_sha256,
        }


@dataclass(frozen=True, slots=True)
class KekEntry:
    """One KEK in force: its HybridKEM public key (1,216 bytes), from which its id follows."""

    public_key: bytes
    state: KekState

    @property
    def id(self) -> str:
        """`kek-` and 16 hex digits."""
        return kek_id(self.public_key)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one; the id must be that of the key."""
        entry = cls(members.octets("public_key", length=KEK_PUBLIC_BYTES), members.choice("state", KekState))
        check_key(members, entry.public_key, HybridPublicKey.from_bytes)
        members.expect("id", entry.id)
        return entry

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"id": self.id, "public_key": octets_text(self.public_key), "state": self.state.value}


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """One key of the rotation agent (1,344 bytes).  Followers trust the keys they pin; this tells them what to pin."""

    public_key: bytes
    state: KeyState

    @property
    def id(self) -> str:
        """`agent-` and 16 hex digits."""
        return agent_key_id(self.public_key)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one; the id must be that of the key."""
        entry = cls(members.octets("public_key", length=AGENT_PUBLIC_BYTES), members.choice("state", KeyState))
        check_key(members, entry.public_key, check_agent_public)
        members.expect("id", entry.id)
        return entry

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"id": self.id, "public_key": octets_text(self.public_key), "state": self.state.value}


@dataclass(frozen=True, slots=True)
class CustodianEntry:
    """One key of a custodian: a BIP-340 x-only public key (32 bytes), in force `since`, revoked with the time."""

    role: Role
    public_key: bytes
    state: KeyState
    since: dt.datetime
    revoked_at: dt.datetime | None = None

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one; `revoked_at` is there exactly where the state says so."""
        entry = cls(
            role=members.choice("role", Role),
            public_key=members.octets("public_key", length=CUSTODIAN_PUBLIC_BYTES),
            state=members.choice("state", KeyState),
            since=members.time("since"),
            revoked_at=members.time("revoked_at") if members.has("revoked_at") else None,
        )
        if (entry.revoked_at is not None) != (entry.state is KeyState.REVOKED):
            members.refuse("revoked_at and the state do not agree")
        return entry

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        shape: dict[str, object] = {
            "role": self.role.value,
            "public_key": octets_text(self.public_key),
            "state": self.state.value,
            "since": time_text(self.since),
        }
        return shape if self.revoked_at is None else {**shape, "revoked_at": time_text(self.revoked_at)}


@dataclass(frozen=True, slots=True)
class SignerEntry:
    """One enricher's session-signing key (Ed25519, 32 bytes): it signs for the DEKs from `first_n` to `last_n`."""

    public_key: bytes
    state: KeyState
    first_n: int
    last_n: int | None = None
    revoked_at: dt.datetime | None = None

    @property
    def id(self) -> str:
        """16 hex digits."""
        return signer_id(self.public_key)

    def covers(self, n: int) -> bool:
        """Tell whether the key was enrolled for the DEK of this n."""
        return self.first_n <= n and (self.last_n is None or n <= self.last_n)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one; `last_n` and `revoked_at` must go with the state."""
        entry = cls(
            public_key=members.octets("public_key", length=ED25519_PUBLIC_BYTES),
            state=members.choice("state", KeyState),
            first_n=members.whole("first_n", least=1, most=MAX_DEK_NUMBER),
            last_n=members.whole("last_n", least=1, most=MAX_DEK_NUMBER) if members.has("last_n") else None,
            revoked_at=members.time("revoked_at") if members.has("revoked_at") else None,
        )
        check_key(members, entry.public_key, check_ed25519_public)
        members.expect("id", entry.id)
        if (entry.revoked_at is not None) != (entry.state is KeyState.REVOKED):
            members.refuse("revoked_at and the state do not agree")
        if entry.state is not KeyState.REVOKED and (entry.last_n is not None) != (entry.state is KeyState.RETIRED):
            members.refuse("last_n and the state do not agree")
        if entry.last_n is not None and entry.last_n < entry.first_n:
            members.refuse("last_n is below first_n")
        return entry

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        shape: dict[str, object] = {
            "id": self.id,
            "public_key": octets_text(self.public_key),
            "state": self.state.value,
            "first_n": self.first_n,
        }
        if self.last_n is not None:
            shape["last_n"] = self.last_n
        if self.revoked_at is not None:
            shape["revoked_at"] = time_text(self.revoked_at)
        return shape


@dataclass(frozen=True, slots=True)
class ExecutedCommand:
    """A command that was carried out: its id may not be used again until it would have expired anyway."""

    id: str
    expires_at: dt.datetime

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read one."""
        return cls(members.text("id", COMMAND_ID), members.time("expires_at"))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"id": self.id, "expires_at": time_text(self.expires_at)}


def check_key(members: Members, raw: bytes, check: Callable[[bytes], object]) -> None:
    """Refuse the record if the key's own check refuses the key."""
    problem = ""
    try:
        check(raw)
    except KeyRefusedError as error:
        problem = str(error)
    if problem:
        members.refuse(problem)

"""The arguments of commands about DEKs, policies, enrichers and KEKs; one class a kind, read strictly.

Every class reads itself from JSON (`take`) and writes itself (`to_json`).  Whether what they ask for may be done is
judged elsewhere, against a manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

from aegis_stream.control.kinds import CommandKind, Signing
from aegis_stream.errors import PolicyError
from aegis_stream.hybrid import PUBLIC_KEY_BYTES, HybridPublicKey
from aegis_stream.keyring.entries import SHA256_HEX, check_key
from aegis_stream.keyring.manifest import MAX_DEKS
from aegis_stream.keyring.strict_json import octets_text
from aegis_stream.pii import Policy
from aegis_stream.signature import ED25519_PUBLIC_BYTES, check_ed25519_public
from aegis_stream.wire import kek_id, signer_id

if TYPE_CHECKING:
    from aegis_stream.keyring.strict_json import Members
    from aegis_stream.wire import DekVersion

KEK_ID = re.compile(r"kek-[0-9a-f]{16}", re.ASCII)
SIGNER_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RotateDek:
    """A new active DEK with the policy of the old one, which becomes decrypt-only."""

    kind: ClassVar[CommandKind] = CommandKind.ROTATE_DEK
    signing: ClassVar[Signing] = Signing.ONE

    @classmethod
    def take(cls, _members: Members) -> Self:
        """Read nothing: it has no arguments."""
        return cls()

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {}


@dataclass(frozen=True, slots=True)
class SetPolicy:
    """A new active DEK with this policy; old events stay judged by theirs."""

    policy: Policy

    kind: ClassVar[CommandKind] = CommandKind.SET_POLICY
    signing: ClassVar[Signing] = Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read a policy; all four members are there, so that what is signed says everything."""
        policy = members.members("policy", what="the policy")
        shape = {name: policy.value(name) for name in ("id", "names", "pointers", "exclude")}
        policy.done()
        parsed: Policy | None
        try:
            parsed = Policy.from_json(shape)
        except PolicyError:
            parsed = None
        if parsed is None:
            members.refuse("the policy is malformed")
        return cls(parsed)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"policy": dict(self.policy.to_json())}


@dataclass(frozen=True, slots=True)
class _OneDek:
    """Arguments that name one DEK."""

    version: DekVersion

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the version."""
        return cls(members.version("version"))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"version": self.version.text}


@dataclass(frozen=True, slots=True)
class RevokeDek(_OneDek):
    """Readers refuse this DEK from now on, unless an audit asks for it by name."""

    kind: ClassVar[CommandKind] = CommandKind.REVOKE_DEK
    signing: ClassVar[Signing] = Signing.BOTH


@dataclass(frozen=True, slots=True)
class SetMinimumVersion(_OneDek):
    """Readers refuse every DEK below this one."""

    kind: ClassVar[CommandKind] = CommandKind.SET_MINIMUM_VERSION
    signing: ClassVar[Signing] = Signing.BOTH


@dataclass(frozen=True, slots=True)
class DestroyDek:
    """Every wrap of this DEK is dropped from the current state.

    `no_copies_attested`: the signers attest that no copy of the old record is left (tiered storage, backups), which is
    what makes the destruction complete while a KEK that wrapped it still exists.

    `records_left`: the signers know that so many records under it, still within their retention, can never be read
    again; None: they have found none.
    """

    version: DekVersion
    no_copies_attested: bool
    records_left: int | None = None

    kind: ClassVar[CommandKind] = CommandKind.DESTROY_DEK
    signing: ClassVar[Signing] = Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the members; `records_left` is there only where the destruction is forced."""
        left = members.whole("records_left", least=1) if members.has("records_left") else None
        return cls(members.version("version"), members.flag("no_copies_attested"), left)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        forced = {} if self.records_left is None else {"records_left": self.records_left}
        return {"version": self.version.text, "no_copies_attested": self.no_copies_attested, **forced}


@dataclass(frozen=True, slots=True)
class EnrolEnricher:
    """This Ed25519 public key (32 bytes) signs sessions from the active DEK on."""

    public_key: bytes

    kind: ClassVar[CommandKind] = CommandKind.ENROL_ENRICHER
    signing: ClassVar[Signing] = Signing.BOTH

    @property
    def id(self) -> str:
        """The key's id, 16 hex digits."""
        return signer_id(self.public_key)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read a key that may be enrolled: a point of the curve, and not of small order."""
        public_key = members.octets("public_key", length=ED25519_PUBLIC_BYTES)
        check_key(members, public_key, check_ed25519_public)
        return cls(public_key)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"public_key": octets_text(self.public_key)}


@dataclass(frozen=True, slots=True)
class _OneEnricher:
    """Arguments that name one enricher's key by its id (16 hex digits)."""

    signer: str

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the id."""
        return cls(members.text("signer", SIGNER_ID))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"signer": self.signer}


@dataclass(frozen=True, slots=True)
class RetireEnricher(_OneEnricher):
    """The key signs for no DEK after the active one; what it signed stays readable."""

    kind: ClassVar[CommandKind] = CommandKind.RETIRE_ENRICHER
    signing: ClassVar[Signing] = Signing.ONE


@dataclass(frozen=True, slots=True)
class RevokeEnricher(_OneEnricher):
    """The key's sessions are refused altogether, unless an audit names the key."""

    kind: ClassVar[CommandKind] = CommandKind.REVOKE_ENRICHER
    signing: ClassVar[Signing] = Signing.BOTH


@dataclass(frozen=True, slots=True)
class RotateKek:
    """A new current KEK (public key of 1,216 bytes); the old one is in grace, and the rewraps named here are merged.

    `rewraps` maps a DEK version to the hex SHA-256 of the payload of its rewrap record.
    """

    public_key: bytes
    rewraps: tuple[tuple[DekVersion, str], ...] = field(default=())

    kind: ClassVar[CommandKind] = CommandKind.ROTATE_KEK
    signing: ClassVar[Signing] = Signing.BOTH

    @property
    def id(self) -> str:
        """The new KEK's id."""
        return kek_id(self.public_key)

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the key and the hashes; no version twice."""
        public_key = members.octets("public_key", length=PUBLIC_KEY_BYTES)
        check_key(members, public_key, HybridPublicKey.from_bytes)
        rewraps = members.each("rewraps", _take_rewrap, what="a rewrap", most=MAX_DEKS)
        if len({version.text for version, _ in rewraps}) != len(rewraps):
            members.refuse("a version stands twice among the rewraps")
        return cls(public_key, rewraps)

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        rewraps = [{"version": version.text, "sha256": digest} for version, digest in self.rewraps]
        return {"public_key": octets_text(self.public_key), "rewraps": rewraps}


@dataclass(frozen=True, slots=True)
class RetireKek:
    """A KEK in grace is dropped, and with it every wrap under it."""

    kek: str

    kind: ClassVar[CommandKind] = CommandKind.RETIRE_KEK
    signing: ClassVar[Signing] = Signing.BOTH

    @classmethod
    def take(cls, members: Members) -> Self:
        """Read the id."""
        return cls(members.text("kek", KEK_ID))

    def to_json(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {"kek": self.kek}


def _take_rewrap(members: Members) -> tuple[DekVersion, str]:
    return members.version("version"), members.text("sha256", SHA256_HEX)

"""The manifest: one signed record that says everything about keys, and what can never stand in one.

The rules, checked whenever a manifest is made or read:
- it expires after it was issued; its sequence is at least 1;
- its DEKs stand in the order of their n, no n twice; exactly one is active, and it is the last one;
- the minimum version is one of them;
- every DEK's policy is there, no policy id twice;
- exactly one KEK is current, no KEK id twice; at least one agent key is current, no id twice;
- no enricher's key id twice; for each custodian's role at most one current key and one that waits to replace it (its
  `since` lies ahead), no key twice for one role, and no key that is or was of both roles;
- no command id twice.

See docs/control-topic.md, "The manifest"; schemas/manifest.schema.json has its shape.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, Self

import orjson

from aegis_stream.errors import ManifestReason, ManifestRefusedError, PolicyError
from aegis_stream.keyring.dsse import MAX_ENVELOPE_BYTES
from aegis_stream.keyring.entries import (
    CUSTODIAN_PUBLIC_BYTES,
    AgentEntry,
    CustodianEntry,
    DekEntry,
    DekState,
    ExecutedCommand,
    KekEntry,
    KekState,
    KeyState,
    SignerEntry,
)
from aegis_stream.keyring.strict_json import MAX_WHOLE, Members, octets_text, time_text
from aegis_stream.pii import Policy

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from aegis_stream.wire import DekVersion

FORMAT_VERSION = 1
MANIFEST_KEY = "manifest"
DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)

MAX_DEKS = 2_000
MAX_POLICIES = 200
MAX_KEKS = 8
MAX_AGENTS = 16
MAX_CUSTODIANS = 200
MAX_ENRICHERS = 1_000
MAX_EXECUTED = 2_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """The keyring of one deployment at one moment; construction checks the rules above (ManifestRefusedError).

    Times are UTC and whole seconds.  `deks` stand in the order of n, the active one last.
    """

    deployment: str
    sequence: int
    issued_at: dt.datetime
    expires_at: dt.datetime
    minimum_version: DekVersion
    deks: tuple[DekEntry, ...]
    policies: tuple[Policy, ...]
    keks: tuple[KekEntry, ...]
    agents: tuple[AgentEntry, ...]
    custodians: tuple[CustodianEntry, ...] = ()
    enrichers: tuple[SignerEntry, ...] = ()
    executed: tuple[ExecutedCommand, ...] = ()
    recovery_key: bytes | None = None

    def __post_init__(self) -> None:
        """Check the rules."""
        if not DEPLOYMENT.fullmatch(self.deployment):
            _refuse("the deployment's name is not of its form")
        if not 1 <= self.sequence <= MAX_WHOLE:
            _refuse("the sequence is not a whole number from 1")
        if self.expires_at <= self.issued_at:
            _refuse("it expires before it was issued")
        _check_deks(self.deks)
        if self.minimum_version not in {entry.version for entry in self.deks}:
            _refuse("the minimum version is none of its DEKs")
        _check_once("policy id", (policy.id for policy in self.policies))
        if not {entry.policy for entry in self.deks} <= {policy.id for policy in self.policies}:
            _refuse("a DEK's policy is not there")
        _check_once("KEK id", (entry.id for entry in self.keks))
        if sum(entry.state is KekState.CURRENT for entry in self.keks) != 1:
            _refuse("not exactly one KEK is current")
        _check_once("agent key", (entry.id for entry in self.agents))
        if not any(entry.state is KeyState.CURRENT for entry in self.agents):
            _refuse("no agent key is current")
        _check_once("enricher key id", (entry.id for entry in self.enrichers))
        # No key twice also means: never one key in both roles, not even one after the other.
        _check_once("custodian key", (entry.public_key.hex() for entry in self.custodians))
        in_force = [entry for entry in self.custodians if entry.state is KeyState.CURRENT]
        _check_once("current custodian", (entry.role for entry in in_force if entry.since <= self.issued_at))
        _check_once("waiting custodian", (entry.role for entry in in_force if entry.since > self.issued_at))
        _check_once("command id", (entry.id for entry in self.executed))

    @property
    def active(self) -> DekEntry:
        """The DEK under which new events are encrypted."""
        return self.deks[-1]

    @property
    def current_kek(self) -> KekEntry:
        """The KEK under which every DEK that may still be opened is wrapped."""
        return next(entry for entry in self.keks if entry.state is KekState.CURRENT)

    def dek(self, version: str) -> DekEntry | None:
        """Return the entry of one version, None where there is none."""
        return next((entry for entry in self.deks if entry.version.text == version), None)

    def policy_of(self, entry: DekEntry) -> Policy:
        """Return the policy of one of its DEKs."""
        return next(policy for policy in self.policies if policy.id == entry.policy)

    def agent_state(self, key_id: str) -> KeyState | None:
        """Return the state of an agent's key, None where the manifest does not name it."""
        return next((entry.state for entry in self.agents if entry.id == key_id), None)

    def substance(self) -> tuple[object, ...]:
        """Return all that it says about keys: two manifests with one substance differ in age alone."""
        return (
            self.minimum_version,
            self.deks,
            self.policies,
            self.keks,
            self.agents,
            self.custodians,
            self.enrichers,
            self.recovery_key,
        )

    def to_payload(self) -> bytes:
        """Return the JSON that is signed."""
        shape: dict[str, object] = {
            "v": FORMAT_VERSION,
            "deployment": self.deployment,
            "sequence": self.sequence,
            "issued_at": time_text(self.issued_at),
            "expires_at": time_text(self.expires_at),
            "active_version": self.active.version.text,
            "minimum_version": self.minimum_version.text,
            "deks": [entry.to_json() for entry in self.deks],
            "policies": [policy.to_json() for policy in self.policies],
            "keks": [entry.to_json() for entry in self.keks],
            "agents": [entry.to_json() for entry in self.agents],
            "custodians": [entry.to_json() for entry in self.custodians],
            "enrichers": [entry.to_json() for entry in self.enrichers],
            "executed": [entry.to_json() for entry in self.executed],
        }
        if self.recovery_key is not None:
            shape["recovery_key"] = octets_text(self.recovery_key)
        return orjson.dumps(shape)

    @classmethod
    def from_payload(cls, raw: bytes) -> Self:
        """Read the JSON of a verified envelope.

        Raises ManifestRefusedError(PAYLOAD): another version of the format, a member unknown, missing or of another
        type, or one of the rules above is broken.
        """
        members = Members.parse(raw, record="manifest", max_bytes=MAX_ENVELOPE_BYTES)
        if members.whole("v") != FORMAT_VERSION:
            members.refuse(f"its format is not version {FORMAT_VERSION}; a newer aegis-stream may read it")
        active = members.version("active_version")
        manifest = cls(
            deployment=members.text("deployment"),
            sequence=members.whole("sequence"),
            issued_at=members.time("issued_at"),
            expires_at=members.time("expires_at"),
            minimum_version=members.version("minimum_version"),
            deks=members.each("deks", DekEntry.take, what="a DEK", most=MAX_DEKS),
            policies=members.each("policies", _take_policy, what="a policy", most=MAX_POLICIES),
            keks=members.each("keks", KekEntry.take, what="a KEK", most=MAX_KEKS),
            agents=members.each("agents", AgentEntry.take, what="an agent key", most=MAX_AGENTS),
            custodians=members.each("custodians", CustodianEntry.take, what="a custodian", most=MAX_CUSTODIANS),
            enrichers=members.each("enrichers", SignerEntry.take, what="an enricher", most=MAX_ENRICHERS),
            executed=members.each("executed", ExecutedCommand.take, what="a command id", most=MAX_EXECUTED),
            recovery_key=members.octets("recovery_key", length=CUSTODIAN_PUBLIC_BYTES)
            if members.has("recovery_key")
            else None,
        )
        members.done()
        if manifest.active.version != active:
            members.refuse("the active version is not the DEK whose state is active")
        return manifest


def _refuse(what: str) -> NoReturn:
    raise ManifestRefusedError(ManifestReason.PAYLOAD, f"manifest: {what}")


def _check_once(what: str, names: Iterable[str]) -> None:
    if any(count > 1 for count in Counter(names).values()):
        _refuse(f"a {what} stands twice")


def _check_deks(deks: tuple[DekEntry, ...]) -> None:
    numbers = [entry.version.n for entry in deks]
    if numbers != sorted(set(numbers)):
        _refuse("its DEKs do not stand in the order of their n, or two have one n")
    if not deks or [entry for entry in deks if entry.state is DekState.ACTIVE] != [deks[-1]]:
        _refuse("not exactly one DEK is active, or it is not the one of the highest n")


def _take_policy(members: Members) -> Policy:
    """Read a policy; in a manifest all four members are there."""
    shape = {name: members.value(name) for name in ("id", "names", "pointers", "exclude")}
    policy: Policy | None = None
    try:
        policy = Policy.from_json(shape)
    except PolicyError:
        policy = None
    if policy is None:
        members.refuse("a policy is malformed")
    return policy

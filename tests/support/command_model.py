"""What the table of control-topic.md says about commands, in the tests' own words, and commands of every kind."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

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
from aegis_stream.control.cases import replacements_of, role_keys
from aegis_stream.control.command import payload_sha256
from aegis_stream.control.custody_arguments import (
    EmergencyRotate,
    ReplaceAgentKey,
    ReplaceCustodian,
    Replacement,
    SetRecoveryKey,
)
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.topic_keys import Slot
from aegis_stream.keyring.entries import DekState, KekState, Role
from aegis_stream.pii import Policy
from aegis_stream.wire import kek_id, signer_id
from aegis_stream.wrapping import unwrap_dek, wrap_dek
from tests.support.control_world import (
    AGENTS,
    RECOVERY,
    RISK,
    SECURITY,
    World,
    custodian,
    enricher,
    kek,
    kek_pair,
)
from tests.support.keyrings import PlainKek

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aegis_stream.control import Command, Outcome
    from aegis_stream.control.command import Arguments
    from aegis_stream.keyring.manifest import Manifest
    from aegis_stream.wire import DekVersion

KEKS = (1, 2, 3)
PEOPLE = [RISK, SECURITY, RECOVERY, *(custodian(f"new {number}") for number in range(4)), custodian("stranger")]
SIGNERS = st.sampled_from(PEOPLE)
NEW_KEYS = st.sampled_from([signer.public for signer in PEOPLE])
ROLES = st.sampled_from(list(Role))
SLOTS = st.sampled_from(list(Slot))
ABSENT = st.sampled_from(
    [
        set(),
        {Slot.RECOVERY},
        {Slot.RECOVERY, Slot.RISK_LEAD},
        {Slot.RECOVERY, Slot.SECURITY_LEAD},
        {Slot.SECURITY_LEAD},
        {Slot.RECOVERY, Slot.NEW_RISK_LEAD},
        {Slot.RECOVERY, Slot.NEW_SECURITY_LEAD, Slot.RISK_LEAD},
    ]
)
REPLACEMENTS = st.permutations(list(Role)).flatmap(
    lambda roles: st.lists(NEW_KEYS, min_size=2, max_size=2, unique=True).map(
        lambda keys: [Replacement(role, key) for role, key in zip(roles, keys, strict=True)]
    )
)
ONE_SIGNATURE = (RotateDek, RetireEnricher)
VETO = dt.timedelta(hours=72)


@dataclass
class Known:
    """What the model knows about one command: who signed it, who said no, and since when it waits."""

    command: Command
    signed: set[bytes] = field(default_factory=set)
    rejected: set[bytes] = field(default_factory=set)
    rejections: dict[bytes, tuple[str, bytes]] = field(default_factory=dict)
    waits_since: dt.datetime | None = None
    outcomes: list[Outcome] = field(default_factory=list)


def may_execute(known: Known, before: Manifest, now: dt.datetime, *, waiting: bool) -> bool:
    """Tell by the table whether a command may be carried out now, under the manifest in force before it."""
    keys = role_keys(before)
    command = known.command
    current = {role: key.current for role, key in keys.items()}
    brought = {new.public_key for new in replacements_of(command)}
    suspended = {key.current for key in keys.values() if key.waiting and key.waiting.public_key not in brought}
    own = set(current.values()) - suspended
    if now >= command.expires_at and known.waits_since is None:
        return False
    replaced = {new.role: new.public_key for new in replacements_of(command)}
    if not replaced:
        needed = 1 if isinstance(command.arguments, ONE_SIGNATURE) else 2
        return len(known.signed & own) >= needed and not known.rejected & own
    stays = {key for role, key in current.items() if role not in replaced}
    if stays & suspended or not (stays | set(replaced.values())) <= known.signed:
        return False
    old = {current[role] for role in replaced}
    recovered = before.recovery_key in known.signed
    vetoes = known.rejected & (stays if recovered else own)
    confirmed = recovered or (old <= known.signed and not old & suspended)
    waited = known.waits_since is not None and now - known.waits_since >= VETO
    one_old_signed = len(replaced) < len(Role) or bool(old & known.signed)
    return not vetoes and one_old_signed and (confirmed or (len(replaced) < len(Role) and (waiting or waited)))


T = TypeVar("T")


def _pick(n: int, likely: Sequence[T], others: Sequence[T]) -> T:
    """Pick one that a command may well be carried out for, and for every fourth number any."""
    found = likely if n % 4 and likely else others
    return found[n % len(found)]


def _dek(world: World, n: int) -> DekVersion:
    deks = [entry.version for entry in world.manifest.deks]
    return _pick(n, deks[:-1], deks)


def _kek(world: World, n: int, state: KekState | None) -> bytes:
    """Return one in this state, or likely one that is not in force."""
    states = {entry.public_key: entry.state for entry in world.manifest.keks}
    return _pick(n, [each for each in map(kek, KEKS) if states.get(each) is state], [kek(each) for each in KEKS])


def _enricher(world: World, n: int) -> str:
    return _pick(n, [entry.id for entry in world.manifest.enrichers], [signer_id(enricher(each)) for each in (1, 2, 3)])


def _agent(world: World, n: int) -> bytes:
    agents = [agent.public for agent in AGENTS]
    used = {entry.public_key for entry in world.manifest.agents}
    return _pick(n, [each for each in agents if each not in used], agents)


MAKES: dict[type, Callable[[World, int, list[Replacement]], Arguments]] = {
    RotateDek: lambda _world, _n, _new: RotateDek(),
    RevokeDek: lambda world, n, _new: RevokeDek(_dek(world, n)),
    SetMinimumVersion: lambda world, n, _new: SetMinimumVersion(_dek(world, n)),
    DestroyDek: lambda world, n, _new: DestroyDek(_dek(world, n), no_copies_attested=bool(n % 2)),
    SetPolicy: lambda _world, n, _new: SetPolicy(Policy(f"policy-{n % 2}", (f"name{n}",))),
    ReplaceCustodian: lambda _world, _n, new: ReplaceCustodian(new[0]),
    EmergencyRotate: lambda world, n, new: EmergencyRotate(
        tuple(new[: n % 3]), rotate_dek=True, revoke=(_dek(world, n),)
    ),
    RotateKek: lambda world, n, _new: RotateKek(_kek(world, n, None)),
    RetireKek: lambda world, n, _new: RetireKek(kek_id(_kek(world, n, KekState.GRACE))),
    EnrolEnricher: lambda _world, n, _new: EnrolEnricher(enricher(1 + n % 3)),
    RetireEnricher: lambda world, n, _new: RetireEnricher(_enricher(world, n)),
    RevokeEnricher: lambda world, n, _new: RevokeEnricher(_enricher(world, n)),
    ReplaceAgentKey: lambda world, n, _new: ReplaceAgentKey(_agent(world, n)),
    SetRecoveryKey: lambda _world, _n, new: SetRecoveryKey(new[0].public_key),
}
"""One for each kind of command, from a number and two new custodians' keys."""


def rewraps_for(world: World, command_id: str, new: bytes, *, leave_out: int) -> list[tuple[DekVersion, bytes]]:
    """Wrap the DEKs under a KEK as an operator's tool does: versions, and the payloads of their rewrap records.

    leave_out: the n of one that is forgotten, if there is one.
    """
    made = []
    for entry in world.manifest.deks:
        record = world.records[entry.version.text]
        if entry.state is DekState.DESTROYED or entry.version.n == leave_out or kek_id(new) in record.wraps:
            continue
        held = next(pair for pair in map(kek_pair, KEKS) if kek_id(pair.public) in record.wraps)
        wrapped = record.wraps[kek_id(held.public)]
        names = {"dek_version": entry.version.text, "dek_public_key": record.public_key}
        private = unwrap_dek(wrapped, kek=PlainKek(held), **names)
        again = wrap_dek(private, dek_version=entry.version.text, kek_public_key=new)
        made.append((entry.version, Rewrap(command_id, entry.version, kek_id(new), again).to_payload()))
    return made


def naming(new: bytes, rewraps: list[tuple[DekVersion, bytes]]) -> RotateKek:
    """Return the arguments that name them."""
    return RotateKek(new, tuple((version, payload_sha256(payload)) for version, payload in rewraps))

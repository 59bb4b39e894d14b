"""Each kind of change that the rotation agent makes: what leads to it, and what must then be so."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aegis_stream.control import Outcome
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
from aegis_stream.control.command import payload_sha256
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceCustodian, Replacement, SetRecoveryKey
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekState, KeyState, Role
from aegis_stream.pii import Policy
from aegis_stream.wire import kek_id
from aegis_stream.wrapping import unwrap_dek, wrap_dek
from tests.support.control_topic import publish
from tests.support.control_world import RISK, SECURITY, custodian
from tests.support.keyrings import ENRICHER, KEK_PAIR, OTHER_ENRICHER, OTHER_KEK_PAIR, PlainKek
from tests.support.rotation import signed_records, utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aegis_stream.control import Command
    from aegis_stream.control.command import Arguments
    from aegis_stream.keyring.manifest import Manifest
    from tests.support.rotation import Rotation

NEW_RISK, NEW_SECURITY = custodian("new risk lead"), custodian("new security lead")


@dataclass(frozen=True)
class Change:
    """`give` leads to it and returns the command's id, if one does; `reached` tells whether a manifest shows it.

    `outcome`, `reason`: of the answer.  `environment`: what the agent is told besides.  `heals`: it is the agent's
    answer to somebody who wrote over its records.
    """

    name: str
    give: Callable[[Rotation], Awaitable[str | None]]
    reached: Callable[[Manifest], bool]
    outcome: Outcome = Outcome.EXECUTED
    reason: CommandReason | None = None
    environment: tuple[tuple[str, str], ...] = ()
    heals: bool = False


def both(make: Callable[[Rotation], Arguments], *, rotated: bool = False) -> Callable[[Rotation], Awaitable[str]]:
    """Return what gives a command that both custodians have signed, after a rotation if asked."""

    async def give(rotation: Rotation) -> str:
        if rotated:
            await publish(rotation.kafka, rotation.topic, rotation.deployment.rotate(utc_now()))
        return await rotation.give(rotation.command(make(rotation)), RISK, security_lead=SECURITY)

    return give


async def rewrap(rotation: Rotation) -> str:
    """Give a rotate-kek with the wraps of two DEKs under the new KEK."""
    await publish(rotation.kafka, rotation.topic, rotation.deployment.rotate(utc_now()))
    records, command = rewrapping(rotation)
    await rotation.write(*records, *signed_records(command, RISK, security_lead=SECURITY))
    return command.id


def rewrapping(rotation: Rotation) -> tuple[list[tuple[str, bytes | None]], Command]:
    """Wrap every DEK of the deployment as the operator's tool does; returns the rewrap records and the command."""
    blank, new = rotation.command(RotateKek(OTHER_KEK_PAIR.public)), kek_id(OTHER_KEK_PAIR.public)
    records: list[tuple[str, bytes | None]] = []
    hashes = []
    for text, record in rotation.deployment.records.items():
        old = record.wraps[kek_id(KEK_PAIR.public)]
        private = unwrap_dek(old, dek_version=text, dek_public_key=record.public_key, kek=PlainKek())
        wrapped = wrap_dek(private, dek_version=text, kek_public_key=OTHER_KEK_PAIR.public)
        payload = Rewrap(blank.id, record.version, new, wrapped).to_payload()
        records.append((f"rewrap/{blank.id}/{text}", Envelope.sign(Kind.REWRAP, payload, [RISK]).to_bytes()))
        hashes.append((record.version, payload_sha256(payload)))
    return records, replace(blank, arguments=RotateKek(OTHER_KEK_PAIR.public, tuple(hashes)))


async def rotate(rotation: Rotation) -> str:
    """Give a rotate-dek."""
    return await rotation.give(rotation.command(RotateDek()))


async def replace_waiting(rotation: Rotation) -> str:
    """Give a replacement that the old key has not signed."""
    command = rotation.command(ReplaceCustodian(Replacement(Role.SECURITY_LEAD, NEW_SECURITY.public)))
    return await rotation.give(command, RISK, new_security_lead=NEW_SECURITY)


async def emergency(rotation: Rotation) -> str:
    """Give an emergency rotation that replaces a custodian's key and revokes the DEK."""
    new = Replacement(Role.RISK_LEAD, NEW_RISK.public)
    arguments = EmergencyRotate((new,), rotate_dek=True, revoke=(rotation.manifest.active.version,))
    return await rotation.give(rotation.command(arguments), RISK, security_lead=SECURITY, new_risk_lead=NEW_RISK)


async def expire(rotation: Rotation) -> str:
    """Give a command that one has signed and whose time is over."""
    past = utc_now() - dt.timedelta(minutes=2)
    command = rotation.command(RevokeDek(rotation.manifest.active.version), now=past, life=dt.timedelta(minutes=1))
    return await rotation.give(command)


async def overwrite(rotation: Rotation) -> None:
    """Write over the records of two DEKs."""
    await publish(rotation.kafka, rotation.topic, rotation.deployment.rotate(utc_now()))
    await rotation.write(*[(f"dek/{entry.version}", b"garbage") for entry in rotation.deployment.manifest.deks])


async def nothing(_: Rotation) -> None:
    """Leave it to the agent."""


def states(*wanted: DekState) -> Callable[[Manifest], bool]:
    """Return whether the DEKs are in these states."""
    return lambda manifest: tuple(entry.state for entry in manifest.deks) == wanted


def enricher_is(state: KeyState) -> Callable[[Manifest], bool]:
    """Return whether the enricher's key is in this state."""
    return lambda manifest: [entry.state for entry in manifest.enrichers] == [state]


def recovery_key_is(key: bytes) -> Callable[[Manifest], bool]:
    """Return whether this is the recovery key."""
    return lambda manifest: manifest.recovery_key == key


_FIRST, _ROTATED = states(DekState.ACTIVE), states(DekState.DECRYPT_ONLY, DekState.ACTIVE)
_POLICY = Policy("wider", names=("nickname",))
_OVERDUE = (("AEGIS_ROTATION_INTERVAL", "4s"), ("AEGIS_ROTATION_JITTER_S", "0"))

ROTATE_DEK = Change("rotate-dek", rotate, _ROTATED)
ROTATE_KEK = Change("rotate-kek", rewrap, lambda manifest: manifest.current_kek.public_key == OTHER_KEK_PAIR.public)
OTHERS = [
    Change("fresh", nothing, _FIRST),
    Change("heal", overwrite, _ROTATED, heals=True),
    Change("schedule", nothing, _ROTATED, environment=_OVERDUE),
    Change("expired", expire, _FIRST, Outcome.EXPIRED),
    Change(
        "refused", both(lambda it: RevokeDek(it.manifest.active.version)), _FIRST, Outcome.REFUSED, CommandReason.ACTIVE
    ),
    Change("set-policy", both(lambda _: SetPolicy(_POLICY)), _ROTATED),
    Change("enrol-enricher", both(lambda _: EnrolEnricher(OTHER_ENRICHER.public)), lambda it: len(it.enrichers) > 1),
    Change(
        "revoke-dek",
        both(lambda it: RevokeDek(it.deployment.manifest.deks[0].version), rotated=True),
        states(DekState.REVOKED, DekState.ACTIVE),
    ),
    Change("retire-enricher", both(lambda _: RetireEnricher(ENRICHER.key_id)), enricher_is(KeyState.RETIRED)),
    Change("revoke-enricher", both(lambda _: RevokeEnricher(ENRICHER.key_id)), enricher_is(KeyState.REVOKED)),
    Change("set-recovery-key", both(lambda _: SetRecoveryKey(NEW_RISK.public)), recovery_key_is(NEW_RISK.public)),
    Change(
        "set-minimum-version",
        both(lambda it: SetMinimumVersion(it.deployment.manifest.active.version), rotated=True),
        lambda it: it.minimum_version == it.active.version,
    ),
    Change(
        "destroy-dek",
        both(lambda it: DestroyDek(it.deployment.manifest.deks[0].version, no_copies_attested=False), rotated=True),
        states(DekState.DESTROYED, DekState.ACTIVE),
    ),
    Change(
        "retire-kek",
        both(lambda _: RetireKek(kek_id(OTHER_KEK_PAIR.public))),
        lambda _: True,
        Outcome.REFUSED,
        CommandReason.UNKNOWN_KEK,
    ),
    Change("replace-custodian", replace_waiting, lambda it: len(it.custodians) > 2, Outcome.WAITING),
    Change("emergency-rotate", emergency, states(DekState.REVOKED, DekState.ACTIVE)),
]

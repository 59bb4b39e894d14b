"""What a manifest holds is bounded: a command that would go beyond is refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from aegis_stream.control.arguments import (
    EnrolEnricher,
    RotateDek,
    SetPolicy,
)
from aegis_stream.control.custody_arguments import ReplaceAgentKey, ReplaceCustodian, Replacement
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.entries import CustodianEntry, DekState, ExecutedCommand, KeyState, Role
from aegis_stream.keyring.manifest import MAX_AGENTS, MAX_CUSTODIANS, MAX_ENRICHERS, MAX_EXECUTED, MAX_POLICIES
from aegis_stream.pii import Policy
from aegis_stream.signature import AgentSigner
from aegis_stream.wire import DekVersion
from tests.support.control_world import NOW, RISK, SECURITY, World, custodian, enricher


def test_policies_are_bounded() -> None:
    """The manifest must stay readable in one record."""
    world = World.new()
    many = tuple(Policy(f"p{number}") for number in range(MAX_POLICIES - 1))
    world.manifest = replace(world.manifest, policies=(*world.manifest.policies, *many))
    assert world.run_both(SetPolicy(Policy("strict"))).result.reason is CommandReason.LIMIT


def test_enrichers_are_bounded() -> None:
    """The manifest must stay readable in one record."""
    world = World.new()
    entry = world.manifest.enrichers[0]
    many = tuple(replace(entry, public_key=number.to_bytes(32, "big")) for number in range(MAX_ENRICHERS))
    world.manifest = replace(world.manifest, enrichers=many)
    decision = world.decide(world.case(world.command(EnrolEnricher(enricher(2))), RISK, security_lead=SECURITY))
    assert decision is not None
    assert decision.result.reason is CommandReason.LIMIT


def test_list_of_used_ids_is_bounded() -> None:
    """Custodians alone can fill it; then the id that expires first goes."""
    world = World.new()
    ids = [f"{number:08x}-0000-7000-8000-000000000000" for number in range(MAX_EXECUTED)]
    entries = [ExecutedCommand(name, NOW + dt.timedelta(seconds=at + 1)) for at, name in enumerate(ids)]
    world.manifest = replace(world.manifest, executed=tuple(entries))
    world.run(RotateDek())
    assert len(world.manifest.executed) == MAX_EXECUTED
    assert ids[0] not in {entry.id for entry in world.manifest.executed}
    assert ids[1] in {entry.id for entry in world.manifest.executed}


def test_dek_numbers_are_bounded() -> None:
    """N has nine digits."""
    world = World.new()
    active = replace(world.manifest.active, version=DekVersion.parse("dek-v999999999-20260301"))
    world.manifest = replace(world.manifest, deks=(active,), minimum_version=active.version)
    decision = world.decide(world.case(world.command(RotateDek()), RISK))
    assert decision is not None
    assert decision.result.reason is CommandReason.LIMIT
    assert active.state is DekState.ACTIVE


def test_agent_keys_and_custodians_are_bounded() -> None:
    """The manifest must stay readable in one record."""
    world = World.new()
    agents = tuple(replace(world.manifest.agents[0], public_key=bytes([at]) * 1344) for at in range(MAX_AGENTS))
    keys = [custodian(f"former {number}").public for number in range(MAX_CUSTODIANS - 2)]
    former = [CustodianEntry(Role.RISK_LEAD, key, KeyState.REVOKED, NOW, NOW) for key in keys]
    world.manifest = replace(world.manifest, agents=agents, custodians=(*world.manifest.custodians, *former))
    new = custodian("one too many")
    for arguments, approvals in (
        (ReplaceAgentKey(AgentSigner.from_seed(b"\x07" * 64).public), {"security_lead": SECURITY}),
        (ReplaceCustodian(Replacement(Role.RISK_LEAD, new.public)), {"security_lead": SECURITY, "new_risk_lead": new}),
    ):
        decision = world.decide(world.case(world.command(arguments), RISK, **approvals))
        assert decision is not None
        assert decision.result.reason is CommandReason.LIMIT

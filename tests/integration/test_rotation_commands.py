"""The rotation agent and signed commands on a real broker: each answered once, in one transaction with its change."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control import Outcome, Terms, TopicKey
from aegis_stream.control.arguments import DestroyDek, EnrolEnricher, RevokeDek, RotateDek, SetMinimumVersion, SetPolicy
from aegis_stream.control.custody_arguments import EmergencyRotate, ReplaceAgentKey, ReplaceCustodian, Replacement
from aegis_stream.control.kinds import CommandKind
from aegis_stream.control.signing import reject, sign_command
from aegis_stream.errors import CommandReason, ConfigurationError
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.entries import DekState, KeyState, Role
from aegis_stream.pii import Policy
from tests.support.control_topic import until
from tests.support.control_world import RISK, SECURITY, custodian
from tests.support.keyrings import AGENT, OTHER_AGENT, OTHER_ENRICHER
from tests.support.rotation import TIMEOUT_S, Rotation, signed_records, utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka

STRANGER = custodian("stranger")


@pytest.fixture
async def rotation(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Rotation]:
    """Return a deployment with both custodians, its topic followed."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation:
        yield rotation


async def test_rotation_is_one_transaction_with_its_answer(rotation: Rotation) -> None:
    """The new DEK's record comes first and the manifest last, with the answer between; the old DEK stays readable."""
    async with rotation.running():
        result = await rotation.ask(RotateDek())
    assert result.kind is CommandKind.ROTATE_DEK
    assert result.sequence == rotation.manifest.sequence
    assert result.active_version == rotation.manifest.active.version
    assert [entry.state for entry in rotation.manifest.deks] == [DekState.DECRYPT_ONLY, DekState.ACTIVE]
    assert [record.key for record in rotation.records[-3:]] == [
        f"dek/{result.active_version}",
        f"result/{result.id}",
        "manifest",
    ]
    assert rotation.keyring.missing() == ()


async def test_commands_given_while_the_agent_was_away_are_carried_out_at_its_start(rotation: Rotation) -> None:
    """Also those whose signer's key only the last manifest names, which stands behind them after compaction."""
    waiting = [await rotation.give(rotation.command(RotateDek())) for _ in range(2)]
    half = await rotation.give(rotation.command(RevokeDek(rotation.manifest.active.version)))
    async with rotation.running():
        for command_id in waiting:
            assert (await rotation.answer(command_id)).outcome is Outcome.EXECUTED
        assert half not in rotation.results
        await rotation.write(
            *signed_records(rotation.command(RotateDek()), STRANGER),
        )
    assert len(rotation.manifest.deks) == 3


async def test_what_needs_two_waits_for_the_second_and_needs_different_people(rotation: Rotation) -> None:
    """One custodian alone changes nothing, not even by signing twice."""
    first = rotation.manifest.active.version
    async with rotation.running() as agent:
        await rotation.ask(RotateDek())
        command = rotation.command(RevokeDek(first))
        await rotation.give(command, RISK, security_lead=RISK)
        await until(lambda: agent.ignored[CommandReason.SAME_SIGNER] == 1)
        assert command.id not in rotation.results
        await rotation.write(*signed_records(command, RISK, security_lead=SECURITY)[1:])
        result = await rotation.answer(command.id)
    assert result.outcome is Outcome.EXECUTED
    assert result.binds_by is not None
    assert rotation.manifest.deks[0].state is DekState.REVOKED


async def test_each_kind_changes_what_it_says(rotation: Rotation) -> None:
    """Policy, enrolment, minimum version, destruction, emergency: one after the other, each from the last manifest."""
    first = rotation.manifest.active.version
    policy = Policy("wider", names=(*Policy.default().names, "nickname"))
    async with rotation.running():
        await rotation.ask_both(SetPolicy(policy))
        assert rotation.manifest.policy_of(rotation.manifest.active) == policy
        await rotation.ask_both(EnrolEnricher(OTHER_ENRICHER.public))
        assert {entry.public_key for entry in rotation.manifest.enrichers} >= {OTHER_ENRICHER.public}
        second = rotation.manifest.active.version
        await rotation.ask_both(SetMinimumVersion(second))
        assert rotation.manifest.minimum_version == second
        destroyed = await rotation.ask_both(DestroyDek(first, no_copies_attested=False))
        assert rotation.keyring.view.records[first.text].wraps == {}
        assert destroyed.brokers_clear_at is None, "Kafka's own settings bound no compaction"
        assert "max.compaction.lag.ms is not bounded" in destroyed.message
        assert destroyed.keks == (rotation.manifest.current_kek.id,)
        new = custodian("new risk lead")
        emergency = EmergencyRotate((Replacement(Role.RISK_LEAD, new.public),), rotate_dek=True, revoke=(second,))
        result = await rotation.ask(emergency, security_lead=SECURITY, new_risk_lead=new)
    assert result.active_version == rotation.manifest.active.version
    states = {entry.version.text: entry.state for entry in rotation.manifest.deks}
    assert states[second.text] is DekState.REVOKED
    assert {entry.public_key: entry.state for entry in rotation.manifest.custodians} == {
        RISK.public: KeyState.REVOKED,
        SECURITY.public: KeyState.CURRENT,
        new.public: KeyState.CURRENT,
    }


async def test_refusals_are_answered_with_their_reason_and_use_up_the_id(rotation: Rotation) -> None:
    """What a custodian has signed is answered, whatever is wrong with it, and cannot come again."""
    active = rotation.manifest.active.version
    async with rotation.running():
        cases = {
            CommandReason.ACTIVE: rotation.command(RevokeDek(active)),
            CommandReason.DEPLOYMENT: rotation.command(RotateDek(), deployment="another"),
            CommandReason.NOT_YET_VALID: rotation.command(RotateDek(), now=utc_now() + dt.timedelta(hours=1)),
            CommandReason.REJECTED: rotation.command(RevokeDek(active)),
        }
        rejected = cases[CommandReason.REJECTED]
        no = reject(sign_command(rejected, RISK), SECURITY, role=Role.SECURITY_LEAD, reason="no", now=utc_now())
        await rotation.write((f"rejection/{rejected.id}/security-lead", no.to_bytes()))
        for reason, command in cases.items():
            await rotation.give(
                command, RISK, **({} if reason is CommandReason.REJECTED else {"security_lead": SECURITY})
            )
        for reason, command in cases.items():
            result = await rotation.answer(command.id)
            assert (result.outcome, result.reason) == (Outcome.REFUSED, reason), result
    assert {entry.id for entry in rotation.manifest.executed} == {command.id for command in cases.values()}
    assert rotation.manifest.active.version == active


async def test_unsigned_and_wrongly_signed_commands_are_counted_and_not_answered(rotation: Rotation) -> None:
    """They use up no id: the same command, signed rightly, is carried out."""
    async with rotation.running() as agent:
        command = rotation.command(RotateDek())
        await rotation.give(command, STRANGER)
        await rotation.write((f"command/{rotation.command(RotateDek()).id}", b"no envelope"))
        await until(lambda: agent.ignored == {CommandReason.SIGNATURE: 1, CommandReason.ENVELOPE: 1})
        assert rotation.results == {}
        await rotation.give(command, SECURITY)
        assert (await rotation.answer(command.id)).outcome is Outcome.EXECUTED


async def test_replayed_command_is_counted_and_changes_nothing(rotation: Rotation) -> None:
    """Neither at once nor after a restart."""
    command = rotation.command(RotateDek())
    async with rotation.running() as agent:
        await rotation.give(command)
        await rotation.answer(command.id)
        await rotation.give(command)
        await until(lambda: agent.ignored[CommandReason.REPLAY] == 1)
    async with rotation.running() as agent:
        await rotation.give(command)
        await until(lambda: agent.ignored[CommandReason.REPLAY] == 1)
        await rotation.ask(RotateDek())
    assert len(rotation.manifest.deks) == 3
    assert len(rotation.results[command.id]) == 1


async def test_command_that_nobody_completes_expires_with_an_answer(rotation: Rotation) -> None:
    """At its time, without anything coming in; and the answer is given once."""
    async with rotation.running():
        command = rotation.command(RevokeDek(rotation.manifest.active.version), life=dt.timedelta(seconds=2))
        await rotation.give(command)
        assert (await rotation.answer(command.id)).outcome is Outcome.EXPIRED
    async with rotation.running():
        await rotation.ask(RotateDek())
    assert len(rotation.results[command.id]) == 1


async def test_forged_answers_are_put_right(rotation: Rotation) -> None:
    """An operator reads what became of a command under its key, so the agent keeps that right too."""
    async with rotation.running() as agent:
        result = await rotation.ask(RotateDek())
        key = TopicKey(Kind.RESULT, result.id).text
        for count, value in enumerate((b"forged", None), 1):
            await rotation.write((key, value))
            await until(lambda count=count: agent.overwritten == {key: count})
        await until(lambda: len(rotation.results[result.id]) == 3)
    assert rotation.results[result.id] == [result] * 3


@pytest.mark.parametrize("veto", [False, True], ids=["no veto", "veto"])
async def test_replacement_without_the_old_key_waits_for_a_veto(
    rotation: Rotation,
    veto: bool,  # noqa: FBT001 - a case table
) -> None:
    """One custodian alone never holds both roles at once; the wait outlives a restart of the agent."""
    new = custodian("new security lead")
    terms = Terms(veto=dt.timedelta(seconds=4))
    command = rotation.command(ReplaceCustodian(Replacement(Role.SECURITY_LEAD, new.public)))
    async with rotation.running(terms=terms):
        await rotation.give(command, RISK, new_security_lead=new)
        waits = await rotation.answer(command.id)
    assert waits.outcome is Outcome.WAITING
    async with rotation.running(terms=terms):
        if veto:
            no = reject(sign_command(command, RISK), SECURITY, role=Role.SECURITY_LEAD, reason="no", now=utc_now())
            await rotation.write((f"rejection/{command.id}/security-lead", no.to_bytes()))
        result = await rotation.answer(command.id, number=2)
    assert result.outcome is (Outcome.REFUSED if veto else Outcome.EXECUTED)
    states = {entry.public_key: entry.state for entry in rotation.manifest.custodians}
    assert states[new.public] is (KeyState.REVOKED if veto else KeyState.CURRENT)
    assert states[SECURITY.public] is (KeyState.CURRENT if veto else KeyState.REVOKED)


async def test_agent_ends_when_its_key_is_replaced_and_the_new_one_goes_on(rotation: Rotation) -> None:
    """What the old key still signed, nobody would take."""
    with pytest.raises(ConfigurationError, match=AGENT.key_id):
        async with rotation.running():
            result = await rotation.ask_both(ReplaceAgentKey(OTHER_AGENT.public))
    assert result.sequence == rotation.manifest.sequence
    with pytest.raises(ConfigurationError, match=AGENT.key_id):
        await asyncio.wait_for(rotation.agent().run(asyncio.Event()), TIMEOUT_S)
    keys = {"signer": OTHER_AGENT, "agent_keys": [AGENT.public]}
    async with rotation.running(**keys) as agent:
        assert agent.published == 1
        assert agent.keyring.manifest is not None
        assert agent.keyring.manifest.sequence == result.sequence + 1

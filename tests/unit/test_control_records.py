"""Results, and what is shown of a change before anybody signs it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from aegis_stream.control.arguments import (
    DestroyDek,
    EnrolEnricher,
    RetireKek,
    RevokeDek,
    RotateDek,
    RotateKek,
    SetMinimumVersion,
    SetPolicy,
)
from aegis_stream.control.custody_arguments import ReplaceAgentKey, ReplaceCustodian, Replacement, SetRecoveryKey
from aegis_stream.control.differences import differences
from aegis_stream.control.draft import Draft, Terms
from aegis_stream.control.effects import apply
from aegis_stream.control.result import Result, one_line
from aegis_stream.control.topic_keys import Slot, TopicKey
from aegis_stream.errors import CommandReason, CommandRefusedError
from aegis_stream.keyring.dsse import Kind
from aegis_stream.keyring.entries import Role
from aegis_stream.pii import Policy
from aegis_stream.signature import AgentSigner, agent_key_id
from aegis_stream.wire import DekVersion, kek_id, signer_id
from tests.support.control_examples import ID, RESULTS
from tests.support.control_world import NOW, RECOVERY, World, custodian, enricher, kek


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.outcome.value)
def test_result_comes_back_as_it_was_written(result: Result) -> None:
    """And refuses members that nobody knows."""
    assert Result.from_payload(result.to_payload()) == result
    shape = json.loads(result.to_payload())
    for changed in ({**shape, "extra": 1}, {**shape, "v": 2}, {**shape, "outcome": "done"}, {**shape, "keks": [{}]}):
        with pytest.raises(CommandRefusedError) as caught:
            Result.from_payload(json.dumps(changed).encode())
        assert caught.value.command_reason is CommandReason.PAYLOAD


def test_reason_and_time_go_with_their_outcome() -> None:
    """A refusal without a reason would leave the operator alone."""
    for wrong in (replace(RESULTS[1], reason=None), replace(RESULTS[0], reason=CommandReason.ACTIVE)):
        with pytest.raises(CommandRefusedError):
            Result.from_payload(wrong.to_payload())
    for wrong in (replace(RESULTS[2], effective_at=None), replace(RESULTS[0], effective_at=NOW)):
        with pytest.raises(CommandRefusedError):
            Result.from_payload(wrong.to_payload())


def test_message_is_one_line_of_bounded_length() -> None:
    """Parts of it come from policies, which may hold any character."""
    text = one_line("a\nb\x7fc\ud800" + "x" * 2_000)
    assert text.startswith("a b c x")
    assert len(text) == 1_000
    assert Result.from_payload(replace(RESULTS[0], message=text).to_payload()).message == text


@pytest.mark.parametrize(
    "key",
    [
        TopicKey(Kind.COMMAND, ID),
        TopicKey(Kind.RESULT, ID),
        TopicKey(Kind.REJECTION, ID, Role.SECURITY_LEAD.value),
        TopicKey(Kind.REWRAP, ID, "dek-v1-20260301"),
        *(TopicKey(Kind.APPROVAL, ID, slot.value) for slot in Slot),
    ],
    ids=lambda key: key.text,
)
def test_topic_key_comes_back(key: TopicKey) -> None:
    """One key has one text."""
    assert TopicKey.parse(key.text) == key


NEW = custodian("new risk")


def told(world: World, *arguments: object) -> tuple[str, ...]:
    """Apply to a draft, as a dry run does, and tell the differences."""
    draft = Draft.of(world.manifest, world.records, now=NOW, terms=Terms())
    for each in arguments:
        apply(world.command(each), draft)  # type: ignore[arg-type]
    return differences(world.manifest, draft.manifest)


def test_dry_run_tells_what_would_change_and_changes_nothing() -> None:
    """Nobody signs what he has not been shown."""
    world = World.new(rotations=1)
    before = world.manifest
    assert told(world, RotateDek()) == (
        "DEK dek-v2-20260301: active -> decrypt-only",
        "DEK dek-v3-20260301: new, active",
    )
    assert world.manifest is before
    assert "policy strict: new" in told(world, SetPolicy(Policy("strict", ("email",))))
    assert told(world, RevokeDek(world.version(1))) == ("DEK dek-v1-20260301: decrypt-only -> revoked",)
    assert told(world, SetMinimumVersion(world.version(2))) == ("minimum version: dek-v1-20260301 -> dek-v2-20260301",)
    assert told(world, DestroyDek(world.version(1), no_copies_attested=True)) == (
        "DEK dek-v1-20260301: decrypt-only -> destroyed",
        "DEK dek-v1-20260301: its record changes (wraps)",
    )


def test_dry_run_tells_of_keys_by_their_ids() -> None:
    """An operator compares ids, not 1,344 bytes."""
    world = World.new()
    key = enricher(2)
    assert told(world, EnrolEnricher(key)) == (f"enricher {signer_id(key)}: new, current",)
    agent = AgentSigner.from_seed(b"\x07" * 64).public
    assert f"agent key {agent_key_id(agent)}: new, current" in told(world, ReplaceAgentKey(agent))
    assert told(world, SetRecoveryKey(RECOVERY.public)) == (f"recovery key: {RECOVERY.key_id}",)
    old = kek_id(kek(1))
    lines = told(world, RotateKek(kek(2)))
    assert lines == (f"KEK {old}: current -> grace", f"KEK {kek_id(kek(2))}: new, current")
    world.run_both(RotateKek(kek(2)))
    with pytest.raises(CommandRefusedError):
        told(world, RetireKek(old))
    replacement = ReplaceCustodian(Replacement(Role.RISK_LEAD, NEW.public))
    lines = told(world, replacement)
    assert any(line.startswith("custodian risk-lead") and line.endswith("current -> revoked") for line in lines)
    draft = Draft.of(world.manifest, world.records, now=NOW, terms=Terms())
    apply(world.command(replacement), draft, must_wait=True)
    assert differences(world.manifest, draft.manifest) == (
        f"custodian risk-lead {NEW.key_id}: new, current from 2026-03-04T12:00:00Z",
    )


def test_dropped_kek_is_told() -> None:
    """It is the one thing that disappears."""
    world = World.new()
    world.run_both(RotateKek(kek(2)))
    manifest = replace(world.manifest, keks=world.manifest.keks[1:])
    assert differences(world.manifest, manifest) == (f"KEK {kek_id(kek(1))}: dropped",)


def test_rule_of_manifests_that_no_effect_foresaw_is_a_refusal() -> None:
    """A signed command must never stop the agent."""
    world = World.new()
    world.manifest = replace(world.manifest, expires_at=world.manifest.issued_at.replace(year=2027))
    draft = Draft.of(world.manifest, world.records, now=NOW, terms=Terms())
    object.__setattr__(draft.manifest, "minimum_version", DekVersion.parse("dek-v9-20260101"))
    with pytest.raises(CommandRefusedError) as caught:
        apply(world.command(RotateDek()), draft)
    assert caught.value.command_reason is CommandReason.PAYLOAD

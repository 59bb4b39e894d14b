"""Attacks on the control topic of a real broker, against the agent and a reader that are running, and wrong clocks."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.client.follow import ControlFollower
from aegis_stream.control import Outcome, sign_command
from aegis_stream.control.arguments import RevokeDek, RotateDek
from aegis_stream.control.signing import approve
from aegis_stream.errors import BrokerError, BrokerReason, CommandReason, ManifestReason, ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, EnvelopeSignature, Kind
from tests.support.control_topic import add_partition, read_all, until
from tests.support.control_world import RISK, SECURITY
from tests.support.keyrings import AGENT, KEK_PAIR, OTHER_AGENT
from tests.support.rotation import TIMEOUT_S, Rotation, utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from topologies.rotation_agent import RotationAgent

pytestmark = pytest.mark.kafka

HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def rotation(kafka: str, topic_name: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Rotation]:
    """Return a deployment with both custodians, its topic followed."""
    async with await Rotation.begin(kafka, topic_name("r"), tmp_path) as rotation:
        yield rotation


def later_manifest(rotation: Rotation, half: slice | None) -> bytes:
    """Forge a manifest that frees a revoked DEK: signed by another agent, or with half of the agent's signature."""
    lie = replace(rotation.deployment.manifest, sequence=rotation.manifest.sequence + 1, issued_at=utc_now())
    envelope = Envelope.parse(rotation.deployment.sign(lie), Kind.MANIFEST)
    forged = bytearray(OTHER_AGENT.sign(envelope.message))
    if half is not None:
        forged[half] = envelope.signatures[0].value[half]
    return replace(envelope, signatures=(EnvelopeSignature(AGENT.key_id, bytes(forged)),)).to_bytes()


async def test_forged_and_old_records_change_nothing_and_are_put_right(rotation: Rotation) -> None:
    """Manifests signed by half of the key or by another, the one before the revocation, and a public key replaced."""
    first = rotation.manifest.active.version
    old = next(value for key, value in await read_all(rotation.kafka, rotation.topic) if key == "manifest")
    async with rotation.running() as agent:
        await rotation.ask(RotateDek())
        await rotation.ask_both(RevokeDek(first))
        before, records = rotation.manifest, rotation.keyring.view.records
        stolen = DekRecord.generate(rotation.manifest.active.version, [KEK_PAIR.public])
        attacks: list[tuple[str, bytes | None]] = [
            ("manifest", later_manifest(rotation, None)),
            ("manifest", later_manifest(rotation, slice(0, 64))),
            ("manifest", later_manifest(rotation, slice(64, None))),
            ("manifest", old),
            (stolen.key, stolen.to_bytes()),
        ]
        for count, (key, value) in enumerate(attacks, 1):
            await rotation.write((key, value))
            await until(lambda count=count: agent.overwritten.total() == count)
        await until(lambda: rotation.keyring.refused[ManifestReason.SIGNATURE] == 3)
    assert rotation.keyring.refused[ManifestReason.SEQUENCE] == 1
    assert (rotation.manifest.substance(), rotation.keyring.view.records) == (before.substance(), records)
    assert agent.overwritten == {"manifest": 4, stolen.key: 1}
    newest = dict(await read_all(rotation.kafka, rotation.topic))
    assert newest["manifest"] == rotation.keyring.view.value
    assert newest[stolen.key] == records[rotation.manifest.active.version.text].to_bytes()


async def test_approval_of_another_payload_approves_nothing(rotation: Rotation) -> None:
    """Both have signed something, and not the same: the other DEK's revocation must not ride on the signature."""
    first = rotation.manifest.active.version
    async with rotation.running() as agent:
        await rotation.ask(RotateDek())
        wanted = rotation.command(RevokeDek(first))
        shown = replace(wanted, reason="what the other custodian was shown")
        await rotation.give(wanted, RISK)
        approval = approve(sign_command(shown, SECURITY), SECURITY)
        key = f"approval/{wanted.id}/security-lead"
        await rotation.write((key, approval.to_bytes()))
        await until(lambda: agent.ignored[CommandReason.MISMATCH] == 1)
        moved = replace(approve(sign_command(wanted, RISK), RISK), signatures=approval.signatures)
        await rotation.write((key, moved.to_bytes()))
        await rotation.ask(RotateDek())
        assert wanted.id not in rotation.results
        await rotation.write((key, approve(sign_command(wanted, RISK), SECURITY).to_bytes()))
        assert (await rotation.answer(wanted.id)).outcome is Outcome.EXECUTED


@pytest.mark.parametrize(
    ("off", "reason"), [(-HOUR, ManifestReason.NOT_YET_VALID), (2 * HOUR, ManifestReason.EXPIRED)], ids=["slow", "fast"]
)
async def test_reader_whose_clock_is_off_says_so(rotation: Rotation, off: dt.timedelta, reason: ManifestReason) -> None:
    """It must look like a clock, not like an attack."""
    keyring = rotation.deployment.keyring()
    connection = {"bootstrap_servers": rotation.kafka}
    async with ControlFollower(
        keyring, connection=connection, topic=rotation.topic, clock=lambda: utc_now() + off
    ) as follower:
        with pytest.raises(ManifestRefusedError) as refused:
            await follower.wait_ready(TIMEOUT_S)
    assert refused.value.reason == reason
    assert "clock" in refused.value.remedy


async def test_agent_and_operator_whose_clocks_are_off_are_told(rotation: Rotation) -> None:
    """An agent an hour slow signs nothing; the answer to a command an hour ahead names both clocks."""
    slow: RotationAgent = rotation.agent(clock=lambda: utc_now() - HOUR)
    with pytest.raises(ManifestRefusedError) as refused:
        await asyncio.wait_for(slow.run(asyncio.Event()), TIMEOUT_S)
    assert refused.value.reason == ManifestReason.NOT_YET_VALID
    assert "clock" in refused.value.remedy
    async with rotation.running():
        result = await rotation.answer(await rotation.give(rotation.command(RotateDek(), now=utc_now() + HOUR)))
    assert result.reason is CommandReason.NOT_YET_VALID
    assert "minutes in the future: compare the clocks" in result.message


async def test_second_partition_stops_no_running_agent_and_no_new_one_starts(rotation: Rotation) -> None:
    """Whoever may alter the topic takes nothing from those who run; who starts is told what is wrong with it."""
    async with rotation.running():
        await add_partition(rotation.kafka, rotation.topic)
        await rotation.ask(RotateDek())
    with pytest.raises(BrokerError) as refused:
        await asyncio.wait_for(rotation.agent().run(asyncio.Event()), TIMEOUT_S)
    assert refused.value.reason == BrokerReason.PARTITIONS
    assert refused.value.remedy

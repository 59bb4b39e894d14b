"""Rotating DEKs without Kafka: what follows a manifest, and when."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from aegis_stream import DEKRotator
from aegis_stream.control import Terms
from aegis_stream.control.custody_arguments import ReplaceCustodian, Replacement
from aegis_stream.encryption import PIIDecryptor, RotationSchedule, create_pii_enricher
from aegis_stream.errors import CommandReason, CommandRefusedError, ConfigurationError
from aegis_stream.keyring.entries import MAX_DEK_NUMBER, DekState, KekEntry, KekState, Role
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.pii import Policy
from aegis_stream.wire import DekVersion
from tests.support.control_world import RISK, World, custodian
from tests.support.keyrings import (
    AGENT,
    ENRICHER,
    HOUR,
    KEK_PAIR,
    MINUTE,
    NOW,
    OTHER_KEK_PAIR,
    Deployment,
    PlainKek,
    offer,
)

DAY = dt.timedelta(days=1)


@pytest.fixture
def deployment() -> Deployment:
    """Return a deployment with its first manifest, of 1 March 2026."""
    return Deployment()


def at(text: str) -> dt.datetime:
    """Return a UTC time."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def created(deployment: Deployment, when: dt.datetime) -> Deployment:
    """Let the active DEK have been made at a moment."""
    active = replace(deployment.manifest.active, created_at=when)
    deployment.manifest = replace(deployment.manifest, deks=(active,))
    return deployment


def test_rotation_keeps_old_events_readable_and_writes_under_the_new_dek(deployment: Deployment) -> None:
    """A library user drives it without Kafka; the KEK opens every version."""
    keyring = deployment.following()
    decrypt = PIIDecryptor(ReaderKeys(keyring, [PlainKek()], clock=NOW.timestamp))
    events, versions = [], []
    for number in range(3):
        active = keyring.active()
        assert active is not None
        assert keyring.manifest is not None
        versions.append(active.version.n)
        encrypt = create_pii_enricher(
            public_key=active.public_key.raw, dek_version=active.version.text, signer=ENRICHER
        )
        events.append(encrypt({"actor_id": f"person {number}"}))
        offer(keyring, DEKRotator(AGENT).rotate(keyring.manifest, now=NOW + MINUTE))
    assert versions == [1, 2, 3]
    assert [decrypt(event)["actor_id"] for event in events] == ["person 0", "person 1", "person 2"]


def test_rotation_wraps_under_every_kek_in_force(deployment: Deployment) -> None:
    """During a grace both KEKs open the new DEK; the agent has neither's private key."""
    keks = (KekEntry(KEK_PAIR.public, KekState.GRACE), KekEntry(OTHER_KEK_PAIR.public, KekState.CURRENT))
    deployment.amend(NOW, keks=keks)
    keyring = deployment.keyring()
    offer(keyring, deployment.first)
    change = DEKRotator(AGENT).rotate(deployment.manifest, now=NOW + MINUTE)
    offer(keyring, change)
    record = keyring.view.records[change.manifest.active.version.text]
    assert set(record.wraps) == {PlainKek(KEK_PAIR).kek_id, PlainKek(OTHER_KEK_PAIR).kek_id}
    assert [key for key, _ in change.writes] == [record.key, "manifest"]
    states = [entry.state for entry in change.manifest.deks]
    assert states == [DekState.DECRYPT_ONLY, DekState.ACTIVE]


def test_rotation_with_a_policy_judges_old_events_by_theirs(deployment: Deployment) -> None:
    """Only from the new DEK on."""
    policy = Policy("wider", names=("nickname",))
    manifest = DEKRotator(AGENT).rotate(deployment.manifest, now=NOW, policy=policy).manifest
    assert [manifest.policy_of(entry).id for entry in manifest.deks] == [Policy.default().id, "wider"]
    with pytest.raises(CommandRefusedError) as refused:
        DEKRotator(AGENT).rotate(manifest, now=NOW, policy=policy)
    assert refused.value.command_reason is CommandReason.UNCHANGED


def test_rotation_at_the_last_number_is_refused(deployment: Deployment) -> None:
    """A version's n has an end; better no rotation than one that nobody can read."""
    last = replace(deployment.manifest.active, version=DekVersion.of(MAX_DEK_NUMBER, NOW.date()))
    manifest = replace(deployment.manifest, deks=(last,), minimum_version=last.version)
    with pytest.raises(CommandRefusedError) as refused:
        DEKRotator(AGENT).rotate(manifest, now=NOW)
    assert refused.value.command_reason is CommandReason.LIMIT


def test_fresh_manifest_goes_above_what_may_have_been_seen(deployment: Deployment) -> None:
    """The agent was killed while it published."""
    change = DEKRotator(AGENT, life_s=60).fresh(deployment.manifest, now=NOW, above=7)
    assert (change.manifest.sequence, change.manifest.expires_at) == (8, NOW + MINUTE)


def test_decisions_and_waits_are_carried_out(deployment: Deployment) -> None:
    """What commands decided becomes a change of the same form."""
    assert DEKRotator(AGENT).settle(deployment.manifest, now=NOW) is None
    world = World.new()
    new = custodian("another security lead")
    command = world.command(ReplaceCustodian(Replacement(Role.SECURITY_LEAD, new.public)))
    decision = world.decide(world.case(command, RISK, new_security_lead=new))
    assert decision is not None
    rotator = DEKRotator(AGENT, terms=Terms(veto=3 * DAY))
    change = rotator.carry_out(decision, world.manifest, now=world.now)
    assert change is not None
    settled = rotator.settle(change.manifest, now=world.now + 3 * DAY)
    assert settled is not None
    assert rotator.carry_out(replace(decision, wanted=None), world.manifest, now=world.now) is None


@pytest.mark.parametrize(
    ("text", "made", "due"),
    [
        ("quarterly", "2026-03-01T12:00", "2026-04-01T00:00"),
        ("quarterly", "2026-04-01T00:00", "2026-07-01T00:00"),
        ("quarterly", "2026-12-31T23:59:59", "2027-01-01T00:00"),
        ("monthly", "2026-12-05T00:00", "2027-01-01T00:00"),
        ("monthly", "2026-11-30T00:00", "2026-12-01T00:00"),
        ("yearly", "2026-03-01T12:00", "2027-01-01T00:00"),
        ("90d", "2026-03-01T12:00", "2026-05-30T12:00"),
        ("36h", "2026-03-01T12:00", "2026-03-03T00:00"),
        ("2w", "2026-03-01T12:00", "2026-03-15T12:00"),
        ("30s", "2026-03-01T12:00", "2026-03-01T12:00:30"),
        ("45m", "2026-03-01T12:00", "2026-03-01T12:45"),
        ("off", "2026-03-01T12:00", None),
    ],
)
def test_schedule_tells_the_next_date(deployment: Deployment, text: str, made: str, due: str | None) -> None:
    """From the active DEK's own date, so that nothing else must be remembered."""
    manifest = created(deployment, at(made)).manifest
    assert RotationSchedule.parse(text).due_at(manifest) == (None if due is None else at(due))


def test_default_schedule_is_quarterly(deployment: Deployment) -> None:
    """As the guide recommends."""
    assert DEKRotator(AGENT).due_at(deployment.manifest) == at("2026-04-01T00:00")


def test_missed_dates_are_made_up_once(deployment: Deployment) -> None:
    """After a year without an agent there is one rotation, and the next date lies ahead."""
    rotator = DEKRotator(AGENT)
    back = NOW + 400 * DAY
    due = rotator.due_at(deployment.manifest)
    assert due is not None
    assert due < back
    following = rotator.due_at(rotator.rotate(deployment.manifest, now=back).manifest)
    assert following is not None
    assert following > back


def test_jitter_spreads_deployments_and_outlives_a_restart(deployment: Deployment) -> None:
    """Each DEK has its own moment within it, drawn from nothing but its name."""
    schedule = RotationSchedule.parse("quarterly", jitter_s=3_600)
    base = at("2026-04-01T00:00")
    names = [f"deployment-{number}" for number in range(50)]
    dues = [schedule.due_at(replace(deployment.manifest, deployment=name)) for name in names]
    assert dues == [schedule.due_at(replace(deployment.manifest, deployment=name)) for name in names]
    assert all(due is not None and base <= due <= base + HOUR for due in dues)
    assert len(set(dues)) > 40


@pytest.mark.parametrize("text", ["", "weekly", "0d", "-1d", "1.5d", "90", "90 d", "1000000s", "off ", "٣d"])
def test_schedule_of_another_form_is_refused(text: str) -> None:
    """A schedule that is misread would be noticed a quarter later."""
    with pytest.raises(ConfigurationError):
        RotationSchedule.parse(text)

"""The book keeps what is signed against those who may only write to the topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from aegis_stream.control.arguments import RevokeDek, RotateDek
from aegis_stream.control.book import CommandBook
from aegis_stream.control.custody_arguments import ReplaceCustodian, Replacement
from aegis_stream.control.result import Outcome, Result
from aegis_stream.control.signing import CustodianSigner, approve, reject, sign_command
from aegis_stream.control.topic_keys import Slot
from aegis_stream.errors import CommandReason
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import KeyState, Role
from aegis_stream.signature import AgentSigner
from tests.support.control_world import AGENT, NOW, RISK, SECURITY, World, custodian

if TYPE_CHECKING:
    from aegis_stream.control.command import Command

STRANGER, NEW = custodian("stranger"), custodian("new risk")
WORLD = World.new(rotations=1)


class Reader:
    """A book and the small deployment's manifest."""

    def __init__(self, **options: int) -> None:
        """Open an empty book."""
        self.book = CommandBook(**options)

    def offer(self, key: str, envelope: Envelope | None, world: World = WORLD) -> CommandReason | None:
        """Offer one record."""
        value = None if envelope is None else envelope.to_bytes()
        return self.book.offer(key, value, manifest=world.manifest)

    def command(self, command: Command, *signers: CustodianSigner) -> CommandReason | None:
        """Offer a command."""
        return self.offer(f"command/{command.id}", sign_command(command, *signers))


def revoke() -> Command:
    """Return a command that needs both."""
    return WORLD.command(RevokeDek(WORLD.version(1)))


def test_all_records_of_a_command_make_its_case() -> None:
    """In whatever order compaction left them."""
    command = revoke()
    envelope = sign_command(command, RISK)
    approval = approve(envelope, SECURITY)
    rejection = reject(envelope, RISK, role=Role.RISK_LEAD, reason="no", now=NOW)
    rewrap = Envelope.sign(Kind.REWRAP, b"{}", [RISK])
    reader = Reader()
    offered = {
        f"rewrap/{command.id}/dek-v1-20260301": rewrap,
        f"rejection/{command.id}/risk-lead": rejection,
        f"approval/{command.id}/security-lead": approval,
    }
    for key, record in offered.items():
        assert reader.offer(key, record) is None
    assert reader.book.case(command.id) is None
    assert reader.book.cases() == ()
    assert reader.command(command, RISK) is None
    case = reader.book.case(command.id)
    assert case is not None
    assert reader.book.cases() == (case,)
    assert case.command.payload == envelope.payload
    assert dict(case.approvals) == {Slot.SECURITY_LEAD: approval}
    assert dict(case.rejections) == {Role.RISK_LEAD: rejection}
    assert dict(case.rewraps) == {"dek-v1-20260301": rewrap}


@pytest.mark.parametrize(
    "key",
    [
        "manifest",
        "dek/dek-v1-20260301",
        "command/",
        "command/not-an-id",
        "command/0190a6a0-0000-4000-8000-000000000000",
        "command/0190a6a0-0000-7000-8000-000000000000/more",
        "approval/0190a6a0-0000-7000-8000-000000000000",
        "approval/0190a6a0-0000-7000-8000-000000000000/boss",
        "rejection/0190a6a0-0000-7000-8000-000000000000/recovery",
        "rewrap/0190a6a0-0000-7000-8000-000000000000/dek-v0-20260301",
        "result/0190a6a0-0000-7000-8000-000000000000/x",
        "COMMAND/0190a6a0-0000-7000-8000-000000000000",
    ],
)
def test_other_keys_are_not_kept(key: str) -> None:
    """They are the keyring's, or nobody's."""
    reader = Reader()
    assert reader.offer(key, sign_command(revoke(), RISK)) is None
    assert reader.book.cases() == ()


def test_garbage_is_named_and_not_kept() -> None:
    """It is no envelope, or one of another kind."""
    command = revoke()
    book = CommandBook()
    assert book.offer(f"command/{command.id}", b"garbage", manifest=WORLD.manifest) is CommandReason.ENVELOPE
    assert Reader().offer(f"approval/{command.id}/risk-lead", sign_command(command, RISK)) is CommandReason.ENVELOPE
    assert book.cases() == ()


def test_signed_record_is_not_displaced_by_one_without_a_right_signature() -> None:
    """Compaction keeps the last writer's; we do not."""
    command = revoke()
    reader = Reader()
    reader.command(command, RISK)
    assert reader.command(replace(command, reason="forged"), STRANGER) is CommandReason.SIGNATURE
    assert reader.offer(f"command/{command.id}", None) is CommandReason.SIGNATURE
    case = reader.book.case(command.id)
    assert case is not None
    assert case.command.payload == command.to_payload()


def test_signed_record_displaces_a_forged_one() -> None:
    """The other way round: nobody can take an id first."""
    command = revoke()
    reader = Reader()
    reader.command(replace(command, reason="forged"), STRANGER)
    assert reader.command(command, RISK) is None
    case = reader.book.case(command.id)
    assert case is not None
    assert case.command.payload == command.to_payload()


def test_second_signed_payload_under_one_id_is_a_replay() -> None:
    """The first stays, so no approval can be moved to another text; more signatures on the same text are welcome."""
    command = revoke()
    reader = Reader()
    reader.command(command, RISK)
    assert reader.command(replace(command, reason="another"), RISK) is CommandReason.REPLAY
    assert reader.command(command, RISK, SECURITY) is None
    case = reader.book.case(command.id)
    assert case is not None
    assert len(case.command.signatures) == 2


def test_approval_by_a_key_that_the_command_brings_is_signed() -> None:
    """Known once the command is; before that it is kept on trial."""
    command = WORLD.command(ReplaceCustodian(Replacement(Role.RISK_LEAD, NEW.public)))
    envelope = sign_command(command, SECURITY)
    key = f"approval/{command.id}/new-risk-lead"
    reader = Reader()
    assert reader.offer(key, approve(envelope, NEW)) is None
    assert reader.offer(f"command/{command.id}", envelope) is None
    assert reader.offer(key, approve(envelope, STRANGER)) is CommandReason.SIGNATURE
    case = reader.book.case(command.id)
    assert case is not None
    assert case.approvals[Slot.NEW_RISK_LEAD].signatures[0].key_id == NEW.key_id


def test_unsigned_records_are_kept_within_a_budget() -> None:
    """Whoever floods the topic fills no memory, and displaces nothing that is signed."""
    size = len(sign_command(revoke(), STRANGER).to_bytes())
    reader = Reader(unsigned_budget_bytes=3 * size + size // 2)
    signed = revoke()
    reader.command(signed, RISK)
    flood = [revoke() for _ in range(10)]
    for command in flood:
        reader.command(command, STRANGER)
    kept = {case.id for case in reader.book.cases()}
    assert kept == {signed.id, *(command.id for command in flood[-3:])}


def test_tombstone_and_forget_let_go() -> None:
    """Of what nobody known has signed, and of what the caller is done with."""
    reader = Reader()
    unsigned, signed = revoke(), revoke()
    reader.command(unsigned, STRANGER)
    reader.command(signed, RISK)
    assert reader.offer(f"command/{unsigned.id}", None) is None
    assert reader.offer(f"command/{unsigned.id}", None) is None
    assert reader.book.case(unsigned.id) is None
    reader.book.forget(signed.id)
    reader.book.forget(signed.id)
    assert reader.book.cases() == ()


def result(command: Command, sequence: int = 5, **changes: object) -> Result:
    """Return the agent's answer."""
    answer = Result(
        id=command.id, deployment="tests", outcome=Outcome.EXECUTED, sequence=sequence, decided_at=NOW, message="done"
    )
    return replace(answer, **changes)  # type: ignore[arg-type]


def test_result_counts_only_from_the_agent_and_never_an_older_one() -> None:
    """An operator must not be told that something was done which was not."""
    command = WORLD.command(RotateDek())
    key = f"result/{command.id}"
    reader = Reader()
    forged = Envelope.sign(Kind.RESULT, result(command).to_payload(), [AgentSigner.from_seed(b"\x01" * 64)])
    assert reader.offer(key, forged) is CommandReason.SIGNATURE
    assert reader.book.result(command.id) is None

    def signed(answer: Result) -> Envelope:
        return Envelope.sign(Kind.RESULT, answer.to_payload(), [AGENT])

    assert reader.offer(key, signed(result(command, deployment="other"))) is CommandReason.MISMATCH
    assert reader.offer(key, signed(result(WORLD.command(RotateDek())))) is CommandReason.MISMATCH
    assert reader.offer(key, Envelope.sign(Kind.RESULT, b"{}", [AGENT])) is CommandReason.PAYLOAD
    assert reader.offer(key, signed(result(command))) is None
    assert reader.offer(key, signed(result(command, sequence=4))) is CommandReason.REPLAY
    assert reader.offer(key, None) is None
    found = reader.book.result(command.id)
    assert found is not None
    assert found.sequence == 5


def test_result_of_a_revoked_agent_key_does_not_count() -> None:
    """A stolen agent key tells no more."""
    world = World.new()
    agents = (replace(world.manifest.agents[0], state=KeyState.REVOKED),)
    other = replace(world.manifest.agents[0], public_key=AgentSigner.from_seed(b"\x01" * 64).public)
    world.manifest = replace(world.manifest, agents=(*agents, other))
    command = world.command(RotateDek())
    envelope = Envelope.sign(Kind.RESULT, result(command).to_payload(), [AGENT])
    assert Reader().offer(f"result/{command.id}", envelope, world) is CommandReason.SIGNATURE


def test_approval_of_a_command_that_cannot_be_read_is_still_looked_at() -> None:
    """A newer version of the format may bring kinds that this one does not know."""
    command_id = revoke().id
    unreadable = Envelope.sign(Kind.COMMAND, b'{"v": 2}', [RISK])
    reader = Reader()
    assert reader.offer(f"command/{command_id}", unreadable) is None
    approval = Envelope.sign(Kind.APPROVAL, b'{"v": 2}', [SECURITY])
    assert reader.offer(f"approval/{command_id}/security-lead", approval) is None
    case = reader.book.case(command_id)
    assert case is not None
    assert set(case.approvals) == {Slot.SECURITY_LEAD}

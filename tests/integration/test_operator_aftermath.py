"""After a compromise, a destruction, a loss: what operators can find out and put right, on a real broker."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
import io
import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from aegis_stream.client.command_client import CommandClient
from aegis_stream.control import CustodianSigner
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.custodian import BIP322Provider, OverrideRequest
from aegis_stream.custodian.override import combined_hash, signed_hash
from aegis_stream.custodian.provider import custodian_key_id
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.strict_json import time_text
from aegis_stream.settings import load_settings
from aegis_stream.wire import DekVersion, b64decode, b64encode
from tests.support.bad_names import builder_of
from tests.support.command_line import CommandLine
from tests.support.control_topic import add_partition, delete_topic, make_topic, read_all
from tests.support.operators import Operators, Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kafka
PROVIDER = BIP322Provider()
EVIL = "=1+1\x1b[2J"
"""An id that a spreadsheet would work out, and a terminal obey: whoever may write events chooses it."""
COMPACTION = {"segment_ms": "300", "min_cleanable_dirty_ratio": "0.001", "max_compaction_lag_ms": "500"}


@pytest.fixture(scope="module")
def place(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a deployment whose control topic is compacted within seconds."""
    folder = tmp_path_factory.mktemp("aftermath")
    return Place.make(kafka, folder, f"aftermath-{os.getpid()}-{time.time_ns()}", **COMPACTION)


@pytest.fixture
def agent(place: Place) -> Iterator[None]:
    """Let its agent run."""
    with running_agent(place):
        yield


@pytest.fixture
def operators(place: Place, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]) -> Operators:
    """Let commands be typed there, with the KEK."""
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC_FILE", str(place.folder / "keys" / "kek.pub"))
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE_FILE", str(place.folder / "keys" / "kek.key"))
    return Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)


def override(operators: Operators, name: str, *signers: str, hours: int = 4) -> dict[str, str]:
    """Make an override event of now, signed by the roles named."""
    now = dt.datetime.now(dt.UTC)
    event = {
        "override_id": name,
        "requested_by": "canary-requester",
        "requested_at": time_text(now - dt.timedelta(minutes=1)),
        "expires_at": time_text(now + dt.timedelta(hours=hours)),
        "override_justification": "canary-justification: größer",
    }
    digest = signed_hash(event)
    assert digest is not None
    signatures = [PROVIDER.sign(b64decode(operators.key(signer).read_text().strip()), digest) for signer in signers]
    for signer, signature in zip(signers, signatures, strict=True):
        event[f"{signer.replace('-', '_')}_signature"] = b64encode(signature)
    if len(signers) == 2:
        event["combined_hash"] = combined_hash(*signatures)
    return event


def send_encrypted(operators: Operators, *events: dict[str, str], more: tuple[bytes, ...] = ()) -> None:
    """Encrypt events by the command and put them on the encrypted topic; others too, also with a bad header name."""
    with pytest.MonkeyPatch.context() as patch:
        key = operators.folder / "keys" / "session-signing-enricher.key"
        patch.setenv("AEGIS_SESSION_SIGNING_KEY_FILE", str(key))
        ended = operators.aegis("encrypt", stdin=b"".join(orjson.dumps(event) + b"\n" for event in events))
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == len(events)

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=os.environ["AEGIS_BROKER"]) as producer:
            for number, value in enumerate([*ended.out.splitlines(), *more]):
                await producer.send_and_wait(os.environ["AEGIS_TOPIC_ENCRYPTED"], value, partition=number % 2)
            batch = producer.create_batch()
            batch._builder = builder_of([(b"", value, [(b"\xff\xfe", b"1")]) for value in more])
            batch._relative_offset = len(more)
            if more:
                await (await producer.send_batch(batch, os.environ["AEGIS_TOPIC_ENCRYPTED"], partition=0))

    asyncio.run(send())


@pytest.mark.usefixtures("agent")
def test_emergency_and_the_audit_of_the_lost_key(operators: Operators, tmp_path: Path) -> None:
    """Every decision of the key, which of them hold, and which open requests are signed again by which command."""
    lost = custodian_key_id(b64decode((operators.folder / "risk-lead.pub").read_text().strip()))
    send_encrypted(
        operators,
        override(operators, "ovr-good", "risk-lead", "security-lead"),
        override(operators, "ovr-half", "risk-lead"),
        override(operators, "ovr-other", "security-lead"),
        override(operators, "ovr-long", "risk-lead", "security-lead", hours=30),
    )
    ended = operators.aegis("audit", "overrides", "--key", lost, "--json")
    decisions = {each["override_id"]: each for each in orjson.loads(ended.out)["decisions"]}
    assert (ended.code, set(decisions)) == (1, {"ovr-good", "ovr-half", "ovr-long"})
    assert decisions["ovr-long"]["reason"] == "window"
    assert decisions["ovr-good"]["verified"]
    assert decisions["ovr-half"]["reason"] == "partial"

    new = operators.new_key("risk-lead-2")
    first = operators.see().manifest.active.version.text
    command = operators.ask("emergency", "--new-risk-lead", new, "--rotate-dek", "--revoke-all", by="security-lead")
    operators.ask("control", "approve", command["id"], "--wait", "0", by="risk-lead-2")
    assert operators.ask("control", "approve", command["id"], by="recovery")["state"] == "executed"
    time.sleep(1)  # times are whole seconds: what is signed now is after the revocation
    late = override(operators, "ovr-late", "risk-lead", "security-lead")
    send_encrypted(operators, late, override(operators, EVIL, "risk-lead"), more=(b"{}",))

    ended = operators.aegis("audit", "overrides", "--key", lost, "--json")
    assert orjson.loads(ended.out)["unreadable"] == {"dek-revoked": 4, "not-protected": 2}
    assert {each["override_id"] for each in orjson.loads(ended.out)["decisions"]} == {"ovr-late", EVIL}
    named = ("audit", "overrides", "--dek-version", first)
    folder, shown = tmp_path / "again", "=1+1\\u001b[2J"
    ended = operators.aegis(*named, "--key", lost, "--json", "--save-pending", folder)
    report = orjson.loads(ended.out)
    found = {each["override_id"]: (each["verified"], each["reason"]) for each in report["decisions"]}
    assert ended.code == 1
    assert found == {
        "ovr-good": (True, ""),
        "ovr-half": (False, "partial"),
        "ovr-long": (False, "window"),
        "ovr-late": (False, "revoked"),
        EVIL: (False, "revoked"),
    }
    assert report["unreadable"] == {"not-protected": 2}
    assert b"canary" not in ended.out + ended.err.encode()
    again = {each["override_id"]: each for each in report["sign_again"]}
    assert set(again) == {"ovr-good", "ovr-half", "ovr-late", EVIL}
    repeated = operators.aegis(*named, "--key", lost, "--json", "--save-pending", folder)
    assert {each["override_id"]: each for each in orjson.loads(repeated.out)["sign_again"]} == again
    assert len(list(folder.iterdir())) == len(again)
    words = again["ovr-half"]["command"].replace("NEW.key", str(operators.key("risk-lead-2"))).split()[1:]
    signed = operators.aegis(*words)
    assert signed.code == 0
    (event,) = [orjson.loads(file.read_bytes()) for file in folder.iterdir() if "ovr-half" in file.name]
    public = b64decode(new.read_text().strip())
    digest = OverrideRequest.from_event(event).message_hash()
    assert PROVIDER.verify(public, digest, b64decode(signed.out.decode().strip()))

    rows = list(csv.DictReader(io.StringIO(operators.aegis(*named, "--format", "csv").out.decode())))
    assert {row["override_id"] for row in rows} == {*found, "ovr-other", f"'{shown}"} - {EVIL}
    table = operators.aegis(*named, "--key", lost)
    assert "ovr-late" in table.out.decode()
    assert "must be signed again by risk-lead" in table.err
    assert shown in table.err
    assert "\x1b" not in table.out.decode() + table.err
    assert operators.aegis(*named, "--save-pending", operators.key("risk-lead")).code == 2
    assert {operators.aegis("audit", "overrides", "--key", key).code for key in ("0" * 16, "x")} == {2}


@pytest.mark.usefixtures("agent")
def test_destroyed_dek_is_gone_from_the_log_after_compaction(operators: Operators) -> None:
    """The proof is wrong before, and right once the broker has compacted.  Events remain: both sign that, or nobody."""
    version = operators.see().manifest.deks[0].version.text
    send_encrypted(operators, {"event_id": "e-1", "actor_id": "somebody"})
    operators.ask("rotate", by="security-lead")
    left = asyncio.run(leave_rewrap(operators, version))
    key = operators.key("security-lead")
    refused = operators.aegis("destroy", version, "--attest-no-copies", "--key", key, "--yes")
    assert (refused.code, "still within their retention" in refused.err) == (1, True)
    command = operators.ask("destroy", version, "--attest-no-copies", "--force", by="security-lead")
    name = "risk-lead-2" if operators.key("risk-lead-2").exists() else "risk-lead"
    assert operators.ask("control", "approve", command["id"], by=name)["state"] == "executed"
    assert dict(asyncio.run(read_all(os.environ["AEGIS_BROKER"], os.environ["AEGIS_TOPIC_CONTROL"])))[left] is None
    deadline = time.monotonic() + 60
    while (ended := operators.aegis("keys", "prove-destroyed", version, "--json")).code != 0:
        assert time.monotonic() < deadline, ended
        assert orjson.loads(ended.out)["remains"]
    proof = orjson.loads(ended.out)
    assert (proof["state"], proof["remains"], proof["proven"]) == ("destroyed", [], True)
    assert "0 with a wrap of it" in operators.aegis("keys", "prove-destroyed", version).out.decode()


async def leave_rewrap(operators: Operators, version: str) -> str:
    """Leave what `aegis kek rewrap` leaves when it is killed: a wrap and no command; returns its key."""
    signer = CustodianSigner(b64decode(operators.key("security-lead").read_text().strip()))
    command_id = "0190a6a0-0000-7000-8000-000000000001"
    async with CommandClient(load_settings()) as client:
        ((kek, wrapped),) = client.records[version].wraps.items()
        payload = Rewrap(command_id, DekVersion.parse(version), kek, wrapped).to_payload()
        key = f"rewrap/{command_id}/{version}"
        await client.publish([(key, Envelope.sign(Kind.REWRAP, payload, [signer]).to_bytes())])
    return key


def test_topic_that_was_lost_comes_back(kafka: str, operators: Operators, place: Place, tmp_path: Path) -> None:
    """From a backup, checked; then the agent goes on above every sequence that was ever seen."""
    file = tmp_path / "keyring.json"
    with running_agent(place):
        operators.see()
        assert operators.aegis("keys", "backup", file).code == 0
        ended = operators.aegis("keys", "restore", file, "--yes")
        assert (ended.code, "0 record(s) missing" in ended.out.decode()) == (0, True)
    before, topic = operators.see().manifest, os.environ["AEGIS_TOPIC_CONTROL"]
    asyncio.run(add_partition(kafka, topic))
    ended = operators.aegis("keys", "list")
    assert (ended.code, "keys backup" in ended.err) == (3, True)
    file = tmp_path / "of a topic with two partitions.json"
    assert operators.aegis("keys", "backup", file).code == 0
    asyncio.run(_anew(kafka, topic))
    assert operators.aegis("keys", "list").code == 3
    assert operators.aegis("keys", "restore", file).code == 2
    ended = operators.aegis("keys", "restore", file, "--dry-run")
    assert (ended.code, "has no manifest" in ended.out.decode()) == (0, True)
    assert asyncio.run(read_all(kafka, topic)) == []
    ended = operators.aegis("keys", "restore", file, "--yes")
    assert (ended.code, "--accept-rollback" in ended.err) == (0, True)
    restored = operators.see().manifest
    assert restored.substance() == before.substance()
    sequence = ended.err.split("--accept-rollback ")[1].split()[0]
    with running_agent(place, "--accept-rollback", sequence):
        deadline = time.monotonic() + 30
        while operators.see().manifest.sequence <= before.sequence:
            assert time.monotonic() < deadline


async def _anew(kafka: str, topic: str) -> None:
    """Lose a topic and make an empty one of its name."""
    await delete_topic(kafka, topic)
    async with asyncio.timeout(30):
        while True:
            try:
                await make_topic(kafka, topic, cleanup_policy="compact")
            except Exception:  # noqa: BLE001 - the broker is still deleting
                await asyncio.sleep(0.1)
            else:
                return

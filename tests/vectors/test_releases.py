"""What released versions have written stays readable: events, dead letters, marks, the control topic, commands."""

from __future__ import annotations

import base64
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

from aegis_stream.client.dead_letters.marks import mark_of
from aegis_stream.control.command import Command
from aegis_stream.control.result import Result
from aegis_stream.custodian import BIP322Provider
from aegis_stream.encryption import Opened, ReadingKey
from aegis_stream.errors import ReadReason
from aegis_stream.hybrid import HybridKeypair, HybridPrivateKey
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.keyring.reader_keys import ReaderKeys
from aegis_stream.keyring.strict_json import parse_time
from aegis_stream.pii import Policy
from aegis_stream.schema_store import Validator
from aegis_stream.sealing import SourceRecord, open_record
from aegis_stream.signature import HybridSignature
from tests.support.keyrings import PlainKek
from tests.support.second_decoder import policy as second_policy
from tests.support.second_decoder import reader as second_reader
from tests.support.vector_keys import EveryEngine

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "releases"
RELEASES = sorted(path.parent.name for path in FOLDER.glob("*/frozen.json"))


@pytest.fixture(scope="module", params=RELEASES)
def frozen(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return what one release has written."""
    content: dict[str, Any] = json.loads((FOLDER / request.param / "frozen.json").read_text("utf-8"))
    return content


def b64(text: str | None) -> bytes | None:
    """Decode base64, None for None."""
    return None if text is None else base64.b64decode(text)


class FrozenKeys:
    """A DekSource over the keys of a release."""

    generation = 1

    def __init__(self, frozen: dict[str, Any]) -> None:
        """Take a release."""
        self._deks = {dek["version"]: dek for dek in frozen["deks"]}
        self._enricher = frozen["enricher"]

    def private(self, version: str) -> HybridPrivateKey:
        """Return a DEK's private key."""
        dek = self._deks[version]
        return HybridPrivateKey.from_bytes(base64.b64decode(dek["private"]), public=base64.b64decode(dek["public"]))

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        """Return the key of a version."""
        dek, key = self._deks[version], self.private(version)
        return ReadingKey(
            version=version,
            decapsulate=key.decapsulate,
            public_key=key.public,
            policy=Policy.from_json(dek["policy"]),
            signed=dek["signed"],
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        """Know the one enricher."""
        del version
        known = key_id == self._enricher["id"]
        return bytes.fromhex(self._enricher["public"]) if known else ReadReason.SIGNER_UNKNOWN

    def second(self) -> second_reader.Keys:
        """Return the same for the second decoder."""

        def dek(version: str) -> second_reader.ReadingKey:
            shape = self._deks[version]
            return second_reader.ReadingKey(
                base64.b64decode(shape["private"]),
                base64.b64decode(shape["public"]),
                second_policy.Policy.make(shape["policy"]),
                shape["signed"],
            )

        return second_reader.Keys(dek, lambda _key_id, _version: bytes.fromhex(self._enricher["public"]))


def test_the_version_of_the_project_is_frozen() -> None:
    """A release whose events were not kept could be broken by the next one without anybody seeing it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version in RELEASES


def test_events_open_in_every_engine_and_in_the_second_decoder(frozen: dict[str, Any]) -> None:
    """To the same values, members in their order, with version and source."""
    keys = FrozenKeys(frozen)
    library, second = EveryEngine(keys), keys.second()
    results = library.open_batch([event["encrypted"].encode() for event in frozen["events"]])
    for event, result in zip(frozen["events"], results, strict=True):
        raw = orjson.loads(event["raw"])
        assert result == Opened(raw, event["dek"], event["source"])
        assert isinstance(result, Opened)
        assert orjson.dumps(result.event) == orjson.dumps(raw)
        opened = second_reader.read(event["encrypted"].encode(), second)
        assert (opened.event, opened.source) == (raw, event["source"])
    assert {event["dek"] for event in frozen["events"]} == {dek["version"] for dek in frozen["deks"]}
    assert {event["engine"] for event in frozen["events"]} == {"python", "native"}


def test_dead_letters_open(frozen: dict[str, Any]) -> None:
    """To key, value and headers as they were, absent ones absent."""
    keys = FrozenKeys(frozen)
    for letter in frozen["letters"]:
        topic, partition, offset = letter["source"].split("/")
        private = keys.private(letter["dek"])
        record = open_record(
            base64.b64decode(letter["sealed"]),
            decapsulate=private.decapsulate,
            dek_public_key=private.public,
            dek_version=letter["dek"],
            source=SourceRecord(topic, int(partition), int(offset)),
            reason=letter["reason"],
        )
        headers = tuple((name, b64(value)) for name, value in letter["headers"])
        assert record == (b64(letter["key"]), b64(letter["value"]), headers)


def test_marks_are_understood(frozen: dict[str, Any]) -> None:
    """A mark that a later version took for none would let a letter be replayed twice."""
    marks = [mark_of(mark["key"].encode(), mark["value"].encode()) for mark in frozen["marks"]]
    assert [mark.state.value for mark in marks if mark] == ["replaying", "replayed", "discarded"]
    assert [mark.to_bytes().decode() for mark in marks if mark] == [mark["value"] for mark in frozen["marks"]]


def test_the_control_topic_is_taken_and_its_deks_unwrap(frozen: dict[str, Any]) -> None:
    """A follower of today starts on the topic of a deployment that was made then."""
    keyring = Keyring(deployment=frozen["deployment"], agent_keys=[base64.b64decode(frozen["agent"])])
    now = parse_time(frozen["frozen_at"])
    assert now is not None
    for record in frozen["control"]:
        keyring.offer(record["key"], record["value"].encode(), now=now)
    assert keyring.refused.total() == 0
    assert keyring.manifest is not None
    assert keyring.manifest.active.version.text == frozen["deks"][-1]["version"]
    kek = PlainKek(_pair(frozen["kek"]))
    keys = ReaderKeys(keyring, [kek], clock=now.timestamp)
    library = EveryEngine(keys)
    for event, result in zip(frozen["events"], library.open_batch(_encrypted(frozen)), strict=True):
        assert result == Opened(orjson.loads(event["raw"]), event["dek"], event["source"])
    for record in frozen["control"]:
        schema = "envelope" if record["key"] == "manifest" else "dek-record"
        assert Validator(schema).fault(json.loads(record["value"])) is None


def test_commands_and_results_are_read(frozen: dict[str, Any]) -> None:
    """And verify; their payloads fit the schemas of today."""
    agent = base64.b64decode(frozen["agent"])
    manifest = json.loads(base64.b64decode(json.loads(frozen["control"][-1]["value"])["payload"]))
    custodians = {each["role"]: base64.b64decode(each["public_key"]) for each in manifest["custodians"]}
    for record in frozen["commands"]:
        kind = Kind(record["key"].partition("/")[0])
        envelope = Envelope.parse(record["value"].encode(), kind)
        assert Validator(kind.value).fault(json.loads(envelope.payload)) is None
        (signed,) = envelope.signatures
        if kind is Kind.RESULT:
            assert Result.from_payload(envelope.payload).to_payload() == envelope.payload
            assert HybridSignature.verify(agent, envelope.message, signed.value)
        else:
            assert Command.from_payload(envelope.payload).to_payload() == envelope.payload
            signer = custodians["risk-lead" if kind is Kind.COMMAND else "security-lead"]
            assert BIP322Provider().verify(signer, hashlib.sha256(envelope.message).digest(), signed.value)


def test_frozen_events_fit_the_schema_of_today(frozen: dict[str, Any]) -> None:
    """A schema that was made narrower would refuse what stands on users' topics."""
    validator = Validator("encrypted-event")
    assert [fault for event in _encrypted(frozen) if (fault := validator.fault(json.loads(event)))] == []


def _encrypted(frozen: dict[str, Any]) -> list[bytes]:
    return [event["encrypted"].encode() for event in frozen["events"]]


def _pair(kek: dict[str, str]) -> HybridKeypair:
    return HybridKeypair(base64.b64decode(kek["private"]), base64.b64decode(kek["public"]))

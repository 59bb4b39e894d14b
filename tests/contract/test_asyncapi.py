"""schemas/asyncapi.yaml: valid, whole, and true of the records that the code writes."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import jsonschema_rs
import pytest
import yaml
from aiokafka import ConsumerRecord
from referencing import Registry, Resource

from aegis_stream.client.dead_letters import Mark, MarkState
from aegis_stream.client.topics import TopicNames, plan_topics
from aegis_stream.control.command import Command
from aegis_stream.control.rejection import Rejection
from aegis_stream.control.rewrap import Rewrap
from aegis_stream.control.signing import approve, sign_command
from aegis_stream.encryption import Protected, create_pii_enricher
from aegis_stream.errors import WriteReason
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import Role
from aegis_stream.session_signer import SessionSigner
from aegis_stream.settings import Settings
from aegis_stream.wrapping import WRAPPED_BYTES
from tests.support.control_examples import EXAMPLES, ID, RESULTS, V1
from tests.support.control_world import NOW, RISK, SECURITY
from tests.support.keyrings import AGENT, Deployment
from topologies.dead_letters import seal_dead_letter
from topologies.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "schemas"
PUBLISHED = ROOT / "tests" / "vectors" / "asyncapi" / "3.0.0.schema.json"
PUBLISHED_SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"
DOCUMENT: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text("utf-8"))
MESSAGES: dict[str, dict[str, Any]] = DOCUMENT["components"]["messages"]
REGISTRY: Registry[Any] = Registry().with_resources(
    [
        (schema["$id"], Resource.from_contents(schema))
        for schema in (json.loads(path.read_text()) for path in FOLDER.glob("*.json"))
    ]
)
INSIDE_OTHERS = {"encrypted-field", "override-event", "approval"}
"""Schemas of what stands inside a record or is another's: a copy is in encrypted-event, some raw events, a command."""


class Sample(NamedTuple):
    """A record as the code writes it: bytes of the key and value, and headers."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def references(node: object) -> Iterator[str]:
    """Yield every $ref of a document."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(reference: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what a reference of the document names; KeyError or FileNotFoundError where there is nothing."""
    file, _, pointer = reference.partition("#")
    found = json.loads((FOLDER / file).read_text("utf-8")) if file else DOCUMENT
    for step in [step for step in pointer.split("/") if step]:
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return found


def faults(schema: dict[str, Any], document: object) -> list[str]:
    """Return what a schema of the document, by reference or in place, has against a value."""
    if "$ref" in schema:
        schema = resolve(schema["$ref"])
    return [error.message for error in jsonschema.Draft202012Validator(schema, registry=REGISTRY).iter_errors(document)]


def test_document_fits_the_published_schema() -> None:
    """Tools that know AsyncAPI 3.0 read it; the schema that says so is the published one, unchanged."""
    raw = PUBLISHED.read_bytes()
    assert hashlib.sha256(raw).hexdigest() == PUBLISHED_SHA256
    validator = jsonschema_rs.validator_for(json.loads(raw))
    assert [(list(error.instance_path), error.message) for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid(DOCUMENT | {"channels": {"raw": {"adress": "x"}}})


def test_every_reference_names_something() -> None:
    """A reference that rots leaves a message without a shape; tools follow files, not the ids of schemas."""
    found = list(references(DOCUMENT))
    assert len(found) > 40
    for reference in found:
        assert resolve(reference) is not None
    for file in {reference.partition("#")[0] for reference in found} - {""}:
        for inner in references(json.loads((FOLDER / file).read_text("utf-8"))):
            assert resolve(f"{file}{inner}") is not None


def test_the_copy_of_a_field_is_one() -> None:
    """The schema of encrypted events needs no other file, and says of fields what theirs says."""
    own = json.loads((FOLDER / "encrypted-field.schema.json").read_text())
    copy = json.loads((FOLDER / "encrypted-event.schema.json").read_text())["$defs"]["field"]
    told = {"$schema", "$id", "title", "description"}
    assert {name: value for name, value in copy.items() if name not in told} == {
        name: value for name, value in own.items() if name not in told
    }


def test_every_schema_of_a_record_is_used() -> None:
    """A record that nobody names in the document is one that nobody expects."""
    used = {reference.partition("#")[0].removesuffix(".schema.json") for reference in references(DOCUMENT)} - {""}
    assert used == {path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.json")} - INSIDE_OTHERS


def test_channels_are_the_topics_that_are_made() -> None:
    """Names, partitions, replicas and clean-up as `aegis topics create` has them by default."""
    planned = {plan.name: plan for plan in plan_topics(TopicNames.of(Settings()))}
    channels = {channel["address"]: channel["bindings"]["kafka"] for channel in DOCUMENT["channels"].values()}
    assert channels.keys() == planned.keys()
    for name, binding in channels.items():
        plan = planned[name]
        policy = binding.get("topicConfiguration", {}).get("cleanup.policy", [None])
        assert (binding["topic"], binding["partitions"], binding["replicas"]) == (
            name,
            plan.partitions,
            plan.replication,
        )
        assert policy == [plan.settings.get("cleanup.policy")]


def test_every_message_is_sent_and_received_by_somebody() -> None:
    """An operation of a channel without messages of its own means all of them."""
    moved: dict[str, set[str]] = {"send": set(), "receive": set()}
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        named = [one["$ref"] for one in operation.get("messages", ())]
        whole = [f"{channel}/messages/{name}" for name in resolve(channel)["messages"]]
        assert set(named) <= set(whole)
        moved[operation["action"]] |= set(named or whole)
    assert moved["send"] == moved["receive"]
    assert {one.rpartition("/")[2] for one in moved["send"]} == MESSAGES.keys()


def test_version_is_the_projects() -> None:
    """The document is released with the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert DOCUMENT["info"]["version"] == project["version"]


@functools.cache
def samples() -> dict[str, list[Sample]]:
    """Return records of every message, written by the code that writes them in a deployment."""
    keys = HybridKEM.generate_keypair()
    encryptor = create_pii_enricher(
        public_key=keys.public, dek_version=V1.text, signer=SessionSigner.from_seed(bytes(32))
    )
    raw = [json.dumps(event).encode() for event in generate_events(seed=3, count=40)]
    encrypted = encryptor.protect_batch(raw, sources=[f"aegis.raw/0/{number}" for number in range(len(raw))])
    writer = Writer(V1.text, encryptor, HybridPublicKey.from_bytes(keys.public))
    refused: ConsumerRecord[bytes | None, bytes | None] = ConsumerRecord(
        "aegis.raw", 0, 7, 0, 0, b"k", b"{", None, 0, 0, (("h", b"1"),)
    )
    letter = seal_dead_letter(refused, WriteReason.NOT_JSON, writer, max_bytes=1 << 20)
    deployment = Deployment()
    deployment.rotate(NOW)
    commands = [sign_command(Command.new(one, deployment="d", reason="why", now=NOW), RISK) for one in EXAMPLES]
    rejection = Rejection(ID, "d", Role.RISK_LEAD, "ab" * 32, "not now", NOW)
    rewrap = Rewrap(ID, V1, "kek-0123456789abcdef", bytes(WRAPPED_BYTES))
    marks = [
        Mark(id="aegis.raw/0/7", state=MarkState.REPLAYING, at=NOW, attempt="ab" * 16, from_offset=9),
        Mark(id="aegis.raw/0/7", state=MarkState.REPLAYED, at=NOW, replayed_offset=9),
        Mark(id="aegis.raw/0/7", state=MarkState.DISCARDED, at=NOW),
        Mark(id="aegis.raw/0/7", state=MarkState.DISCARDED, at=NOW, note="test data"),
    ]

    def of(kind: Kind, payload: bytes) -> bytes:
        return Envelope.sign(kind, payload, [AGENT]).to_bytes()

    return {
        "rawEvent": [Sample(b"workflow-1", one) for one in raw],
        "replayedRecord": [Sample(b"k", b"{", (("h", b"1"), ("aegis-replay", b"ab" * 16)))],
        "encryptedEvent": [Sample(None, one.value) for one in encrypted if isinstance(one, Protected)],
        "passedRecord": [Sample(b"ab" * 32, None)],
        "deadLetter": [Sample(None, letter.value, tuple(letter.headers))],
        "deadLetterMark": [Sample(mark.id.encode(), mark.to_bytes()) for mark in marks],
        "manifest": [Sample(b"manifest", deployment.sign(deployment.manifest))],
        "dekRecord": [Sample(b"dek/" + name.encode(), one.to_bytes()) for name, one in deployment.records.items()],
        "command": [Sample(b"command/" + ID.encode(), one.to_bytes()) for one in commands],
        "approval": [
            Sample(b"approval/" + ID.encode() + b"/security-lead", approve(one, SECURITY).to_bytes())
            for one in commands
        ],
        "rejection": [Sample(b"rejection/" + ID.encode() + b"/risk-lead", of(Kind.REJECTION, rejection.to_payload()))],
        "rewrap": [Sample(f"rewrap/{ID}/{V1.text}".encode(), of(Kind.REWRAP, rewrap.to_payload()))],
        "result": [Sample(b"result/" + ID.encode(), of(Kind.RESULT, one.to_payload())) for one in RESULTS],
    }


@pytest.mark.parametrize("name", MESSAGES)
def test_records_of_the_code_fit_their_message(name: str) -> None:
    """Key, headers, value and, in an envelope, what is signed."""
    message = MESSAGES[name]
    binding = message.get("bindings", {}).get("kafka", {})
    assert samples()[name]
    for sample in samples()[name]:
        key = None if sample.key is None else sample.key.decode()
        assert faults(binding.get("key", {}), key) == []
        headers = {header: None if value is None else value.decode() for header, value in sample.headers}
        assert faults(message.get("headers", {"schema": {}})["schema"], headers) == []
        document: Any = None
        if sample.value is not None and message.get("contentType") == "application/octet-stream":
            document = base64.b64encode(sample.value).decode()
        elif sample.value is not None:
            document = json.loads(sample.value)
        assert faults(message["payload"]["schema"], document) == []
        if "x-signed-payload" in message:
            signed = json.loads(base64.b64decode(document["payload"]))
            assert faults(message["x-signed-payload"], signed) == []
            kind = re.fullmatch(r"application/vnd\.aegis-stream\.([a-z]+)\+json", document["payloadType"])
            assert kind is not None
            assert kind[1] == name


def test_a_message_takes_no_record_of_another_kind() -> None:
    """A document that anything fits says nothing: by key and value each record belongs to one message."""
    bytes_only = {name for name, message in MESSAGES.items() if message.get("contentType")}
    for name, message in MESSAGES.items():
        key_schema = message.get("bindings", {}).get("kafka", {}).get("key", {})
        for other, found in samples().items():
            if not bytes_only & {name, other}:
                key = None if found[0].key is None else found[0].key.decode()
                document = json.loads(found[0].value or b"null")
                fits = not faults(message["payload"]["schema"], document) and not faults(key_schema, key)
                assert fits == (name == other), (name, other)


def test_marks_and_their_schema_refuse_the_same() -> None:
    """What the reader takes for no mark, the schema does not promise either; its examples are marks."""
    schema = json.loads((FOLDER / "dead-letter-mark.schema.json").read_text())
    for example in schema["examples"]:
        assert faults(schema, example) == []
    for sample in samples()["deadLetterMark"]:
        shape = json.loads(sample.value or b"")
        for change in ({"v": 2}, {"more": 1}, {"state": "done"}, {"letter": "a/1"}, {"at": "now"}, {"attempt": "xy"}):
            assert faults(schema, shape | change)
        for member in shape.keys() - {"note"}:
            assert faults(schema, {name: value for name, value in shape.items() if name != member})

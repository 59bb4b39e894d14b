"""The JSON Schemas, held against what the code writes, by a validator that the code does not use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from referencing import Registry, Resource

from aegis_stream.encryption import Protected, create_pii_enricher
from aegis_stream.errors import WriteReason
from aegis_stream.generator import EventKind, generate_events
from aegis_stream.hybrid import HybridKEM, HybridPublicKey
from aegis_stream.pii import PII_FIELDS, Policy
from aegis_stream.schema_store import Validator, all_schemas, event_validator
from aegis_stream.sealing import SourceRecord, seal_record
from aegis_stream.session_signer import SessionSigner
from aegis_stream.wire import ALG, b64encode
from tests.support.strategies import EVENTS

if TYPE_CHECKING:
    from aegis_stream.encryption import PIIEncryptor

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "schemas").glob("*.schema.json"))
SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in FILES}
REGISTRY: Registry[Any] = Registry().with_resources(
    [(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS.values()]
)
KEYS = HybridKEM.generate_keypair()
DEK = "dek-v7-20260101"


def accepts(name: str, document: object) -> bool:
    """Ask the reference implementation."""
    return jsonschema.Draft202012Validator(SCHEMAS[name], registry=REGISTRY).is_valid(document)


def writer(*, signed: bool = True) -> PIIEncryptor:
    """Make an encryptor."""
    return create_pii_enricher(
        public_key=KEYS.public, dek_version=DEK, signer=SessionSigner.from_seed(bytes(32)) if signed else None
    )


def encrypted(event: object, *, source: str | None = "aegis.raw/3/1099511627776") -> dict[str, Any]:
    """Return an event as an enricher writes it, or as the library does without a source."""
    (result,) = writer(signed=source is not None).protect_batch(
        [orjson.dumps(event)], sources=None if source is None else [source]
    )
    assert isinstance(result, Protected)
    document: dict[str, Any] = orjson.loads(result.value)
    return document


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_schema_is_one_and_is_found_by_the_library(path: Path) -> None:
    """Draft 2020-12, with an id that the others refer to, readable from an installed package."""
    schema = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert all_schemas()[path.name.removesuffix(".schema.json")] == schema


@pytest.mark.parametrize("all_fields", [False, True])
def test_generated_events_are_raw_events(*, all_fields: bool) -> None:
    """All six kinds, and both validators agree."""
    kinds = set()
    for event in generate_events(seed=4, count=200, all_fields=all_fields):
        kinds.add(event["event_type"])
        assert accepts("raw-event", event)
        assert event_validator().fault(event) is None
    assert kinds == set(EventKind)


def test_the_raw_schema_names_all_twelve_fields() -> None:
    """A field that is missing there would go unchecked."""
    assert SCHEMAS["raw-event"]["properties"].keys() >= PII_FIELDS.keys()


@pytest.mark.parametrize(
    ("change", "rule", "path"),
    [
        ({"event_id": None}, "required", "/event_id"),
        ({"event_id": ""}, "minLength", "/event_id"),
        ({"event_id": 5}, "type", "/event_id"),
        ({"event_id": "x" * 257}, "maxLength", "/event_id"),
        ({"event_type": "Proposal"}, "pattern", "/event_type"),
        ({"occurred_at": "yesterday"}, "pattern", "/occurred_at"),
        ({"author_id": None}, "required", "/author_id"),
        ({"actor_id": {"id": 1}}, "type", "/actor_id"),
        ({"actor_assignments": {"canary": 7}}, "type", "/actor_assignments"),
        ({"risk_lead_signature": "short"}, "pattern", "/risk_lead_signature"),
        ({"_aegis": {}}, "falseSchema", "/_aegis"),
    ],
)
def test_a_fault_of_a_raw_event_names_rule_and_member(change: dict[str, Any], rule: str, path: str) -> None:
    """The producer's author must find it without the value being quoted anywhere."""
    proposal = next(event for event in generate_events(count=99) if event["event_type"] == EventKind.PROPOSAL)
    event = {name: value for name, value in (proposal | change).items() if value is not None}

    assert event_validator().fault(event) == (rule, path)
    assert not accepts("raw-event", event)


@pytest.mark.parametrize("source", ["aegis.raw/3/1099511627776", None])
def test_what_the_writer_writes_is_an_encrypted_event(source: str | None) -> None:
    """With an enricher's members and without."""
    for event in generate_events(seed=9, count=60):
        document = encrypted(event, source=source)
        assert accepts("encrypted-event", document)
        assert Validator("encrypted-event").fault(document) is None
    assert accepts("encrypted-event", encrypted({}, source=source))


@given(EVENTS)
def test_any_event_that_can_be_encrypted_fits_the_schema(event: dict[str, Any]) -> None:
    """Also nested ones, empty values, all types, and values that imitate encrypted fields."""
    (result,) = writer().protect_batch([orjson.dumps(event)], sources=["raw/0/1"])
    if isinstance(result, Protected):
        assert accepts("encrypted-event", orjson.loads(result.value))


def test_a_field_has_exactly_six_members_of_their_forms() -> None:
    """What a reader refuses as malformed, the schema refuses too."""
    field = encrypted({"actor_id": "x"})["actor_id"]
    assert accepts("encrypted-field", field)
    assert field["_algorithm"] == ALG

    for name in field:
        assert not accepts("encrypted-field", {key: value for key, value in field.items() if key != name})
    for name, value in {
        "_encrypted": False,
        "_algorithm": "aes",
        "_dek_version": "dek-v0-20260101",
        "_ciphertext": "EXM=",
        "_plaintext_hash": "AB" * 32,
        "_encrypted_at": "2026-13-01T00:00:00Z",
        "extra": 1,
    }.items():
        assert not accepts("encrypted-field", field | {name: value})


def test_a_changed_head_or_a_hidden_half_field_is_no_encrypted_event() -> None:
    """The shape of `_aegis`, and an object with `_ciphertext` anywhere."""
    document = encrypted({"actor_id": "x", "list": [{"a": 1}]})
    head = document["_aegis"]

    for change in ({"v": 2}, {"id": "x"}, {"kem": head["kem"][4:]}, {"src": "raw/01/2"}, {"more": 1}, {"by": "zz"}):
        assert not accepts("encrypted-event", document | {"_aegis": head | change})
    for name in ("v", "dek", "id", "kem", "set", "by"):
        assert not accepts("encrypted-event", document | {"_aegis": {k: v for k, v in head.items() if k != name}})
    assert not accepts("encrypted-event", document | {"list": [{"deep": {"_ciphertext": "x"}}]})
    assert not accepts("encrypted-event", {"actor_id": "x"})


@pytest.mark.parametrize("key", [None, b"key"])
@pytest.mark.parametrize("value", [None, b"", b"no json"])
def test_a_sealed_record_is_a_dead_letter(key: bytes | None, value: bytes | None) -> None:
    """Told as JSON, as the schema describes it."""
    sealed = seal_record(
        dek_public_key=HybridPublicKey.from_bytes(KEYS.public),
        dek_version=DEK,
        source=SourceRecord("aegis.raw", 3, 17),
        reason=WriteReason.NOT_JSON,
        key=key,
        value=value,
        headers=[],
    )
    letter = {
        "key": None,
        "value": b64encode(sealed),
        "headers": {"aegis-dek-version": DEK, "aegis-source": "aegis.raw/3/17", "aegis-reason": "not-json"},
    }

    assert accepts("dead-letter", letter)
    assert not accepts("dead-letter", letter | {"key": "x"})
    assert not accepts("dead-letter", letter | {"headers": letter["headers"] | {"aegis-reason": "because"}})  # type: ignore[operator]


def test_dead_letters_know_every_reason() -> None:
    """The list is closed in three places: the errors, the schema, the format's page."""
    reasons = SCHEMAS["dead-letter"]["properties"]["headers"]["properties"]["aegis-reason"]["enum"]

    assert reasons == list(WriteReason)


def test_a_policy_of_a_users_own_still_gives_encrypted_events() -> None:
    """Exclusions leave members in the clear; the schema cannot know which, so it does not judge that."""
    policy = Policy(id="p", names=("mail",), exclude=("actor_id",))
    encryptor = create_pii_enricher(public_key=KEYS.public, dek_version=DEK, policy=policy)
    document = encryptor({"mail": "m", "actor_id": "clear"})

    assert document["actor_id"] == "clear"
    assert accepts("encrypted-event", document)

"""The JSON Schemas of the keyring against what the code writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.entries import DekState
from aegis_stream.wire import DekVersion
from tests.support.keyrings import AGENT, KEK_PAIR, NOW, OTHER_KEK_PAIR, Deployment
from tests.support.manifests import BEYOND_THE_SHAPE, FULL, REFUSED, REFUSED_RECORDS, changed, changed_record

FOLDER = Path(__file__).parents[2] / "schemas"


def schema(name: str) -> Draft202012Validator:
    """Return a validator for one of the project's schemas, itself checked."""
    shape: dict[str, Any] = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(shape)
    return Draft202012Validator(shape)


MANIFEST, RECORD, ENVELOPE = schema("manifest"), schema("dek-record"), schema("envelope")


def test_manifests_fit_their_schema() -> None:
    """What the agent writes is what the schema promises to others who read the topic."""
    for manifest in (FULL, Deployment().manifest):
        MANIFEST.validate(json.loads(manifest.to_payload()))


def test_records_and_envelopes_fit_their_schemas() -> None:
    """Wrapped under one KEK, under two, and destroyed."""
    deployment = Deployment()
    deployment.rotate(NOW)
    deployment.set_state(deployment.manifest.deks[0].version.text, DekState.DESTROYED, NOW)
    both = DekRecord.generate(DekVersion.parse("dek-v9-20260301"), [KEK_PAIR.public, OTHER_KEK_PAIR.public])
    for record in (*deployment.records.values(), both):
        RECORD.validate(json.loads(record.to_bytes()))
    for kind in Kind:
        ENVELOPE.validate(json.loads(Envelope.sign(kind, b"{}", [AGENT]).to_bytes()))


@pytest.mark.parametrize("name", REFUSED)
def test_schema_refuses_what_the_reader_refuses(name: str) -> None:
    """But for what is named as beyond a shape, schema and reader agree."""
    taken = MANIFEST.is_valid(json.loads(changed(*REFUSED[name])))
    assert taken == (name in BEYOND_THE_SHAPE)


@pytest.mark.parametrize("name", REFUSED_RECORDS)
def test_schema_refuses_malformed_records(name: str) -> None:
    """The same for DEK records; whether a public key is a sound one is beyond a shape."""
    taken = RECORD.is_valid(json.loads(changed_record(REFUSED_RECORDS[name])))
    assert taken == (name == "public key out of range")

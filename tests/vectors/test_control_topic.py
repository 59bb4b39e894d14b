"""The library against frozen records of the control topic, which no code of its own has written."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from aegis_stream.errors import ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.keyring import Keyring
from aegis_stream.signature import AgentSigner
from tests.support.second_decoder import records
from tests.vectors.generator import control_topic, material

FILE: dict[str, Any] = json.loads(control_topic.FILE.read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in FILE["cases"]}
AGENT = base64.b64decode(FILE["agent"]["public"])


def offered(case: dict[str, Any], keyring: Keyring) -> str | None:
    """Offer all records of a case and return why the last one was refused."""
    now = dt.datetime.strptime(case["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC)
    *before, last = case["offers"]
    for record in before:
        keyring.offer(record["key"], record["value"].encode(), now=now)
    value = None if last["value"] is None else last["value"].encode()
    try:
        keyring.offer(last["key"], value, now=now)
    except ManifestRefusedError as refused:
        return str(refused.reason)
    return None


@pytest.mark.parametrize("name", CASES)
def test_every_case_ends_as_it_says(name: str) -> None:
    """Taken, or refused for this reason; what was refused leaves the keyring as it was."""
    keyring = Keyring(deployment=FILE["deployment"], agent_keys=[AGENT])
    case = CASES[name]
    assert offered(case, keyring) == case["reason"]
    taken = case["offers"] if case["reason"] is None else case["offers"][:-1]
    sequences = [payload(record)["sequence"] for record in taken if record["key"] == "manifest"]
    assert (keyring.manifest.sequence if keyring.manifest else None) == (sequences[-1] if sequences else None)


def payload(record: dict[str, str]) -> dict[str, Any]:
    """Decode a manifest's payload by hand."""
    decoded: dict[str, Any] = json.loads(base64.b64decode(json.loads(record["value"])["payload"]))
    return decoded


def test_signatures_verify_without_our_code() -> None:
    """Whoever reads the topic with other tools finds the published encoding and two plain signatures."""
    envelope = json.loads(CASES["first manifest"]["offers"][-1]["value"])
    body, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"]
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    Ed25519PublicKey.from_public_bytes(AGENT[:32]).verify(signature[:64], message)
    MLDSA44PublicKey.from_public_bytes(AGENT[32:]).verify(signature[64:], message)


def test_record_is_named_by_its_hash_and_opens_under_the_kek() -> None:
    """The second decoder unwraps what the library has parsed."""
    record, manifest = CASES["first manifest"]["offers"]
    (entry,) = payload(manifest)["deks"]
    assert entry["record_sha256"] == hashlib.sha256(record["value"].encode()).hexdigest()
    parsed = DekRecord.from_bytes(record["value"].encode())
    (wrapped,) = parsed.wraps.values()
    version = parsed.version.text
    private = records.unwrap(wrapped, version, parsed.public_key, material.pair(FILE["kek"]))
    assert private == material.pair(version).private


def test_library_writes_a_record_as_it_stands() -> None:
    """Read and written again, a record and a payload are the same bytes."""
    record, manifest = CASES["rotation"]["offers"]
    assert DekRecord.from_bytes(record["value"].encode()).to_bytes().decode() == record["value"]
    keyring = Keyring(deployment=FILE["deployment"], agent_keys=[AGENT])
    offered(CASES["rotation"], keyring)
    assert keyring.manifest is not None
    assert json.loads(keyring.manifest.to_payload()) == payload(manifest)


def test_agents_key_follows_from_its_seed() -> None:
    """Two seeds of 32 bytes, Ed25519 first."""
    signer = AgentSigner.from_seed(bytes.fromhex(FILE["agent"]["seed"]))
    assert signer.public == AGENT
    assert signer.key_id == FILE["agent"]["key_id"]


def test_file_is_what_the_generator_makes() -> None:
    """But for the signatures, which differ at each run, nothing in the file was changed by hand."""
    assert without_signatures(control_topic.content()) == without_signatures(FILE)


def without_signatures(content: dict[str, Any]) -> dict[str, Any]:
    """Blank every signature out."""
    copy: dict[str, Any] = json.loads(json.dumps(content))
    for case in copy["cases"]:
        for record in case["offers"]:
            if record["key"] == "manifest" and record["value"] is not None:
                envelope = json.loads(record["value"])
                for signature in envelope["signatures"]:
                    signature["sig"] = ""
                record["value"] = envelope
    return copy

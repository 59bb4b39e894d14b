"""DSSE envelopes: the encoding that is signed, and the strictness of the reader."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from aegis_stream.errors import ManifestReason, ManifestRefusedError
from aegis_stream.keyring.dsse import MAX_ENVELOPE_BYTES, Envelope, EnvelopeSignature, Kind, pae
from aegis_stream.signature import HybridSignature
from tests.support.keyrings import AGENT, OTHER_AGENT

if TYPE_CHECKING:
    from collections.abc import Callable

PAYLOAD = b'{"v":1}'


def envelope_json(**members: object) -> dict[str, object]:
    """Return a well-formed envelope, with some members changed."""
    shape: dict[str, object] = {
        "payload": base64.b64encode(PAYLOAD).decode(),
        "payloadType": "application/vnd.aegis-stream.manifest+json",
        "signatures": [{"keyid": "agent-0123456789abcdef", "sig": base64.b64encode(b"s" * 64).decode()}],
    }
    return {**shape, **members}


def test_what_is_signed_is_the_published_encoding() -> None:
    """The example of the DSSE protocol's own text, so that others' tools can check our signatures."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_those_of_bytes() -> None:
    """Lengths in characters would let a type and a payload trade bytes."""
    assert pae("ä", "ö".encode()) == "DSSEv1 2 ä 2 ö".encode()
    assert pae("", b"") == b"DSSEv1 0  0 "


def test_envelope_goes_round() -> None:
    """What one writes the other reads, byte for byte."""
    envelope = Envelope.sign(Kind.MANIFEST, PAYLOAD, [AGENT, OTHER_AGENT])
    again = Envelope.parse(envelope.to_bytes(), Kind.MANIFEST)
    assert again == envelope
    assert [entry.key_id for entry in again.signatures] == [AGENT.key_id, OTHER_AGENT.key_id]


def test_only_keys_that_signed_are_named() -> None:
    """A keyid is a hint anybody can write; the check decides."""
    envelope = Envelope.sign(Kind.MANIFEST, PAYLOAD, [AGENT])
    claimed = Envelope(
        envelope.kind,
        envelope.payload,
        (*envelope.signatures, EnvelopeSignature(OTHER_AGENT.key_id, envelope.signatures[0].value)),
    )
    keys = {AGENT.key_id: AGENT.public, OTHER_AGENT.key_id: OTHER_AGENT.public}
    signed = claimed.verified_by(lambda key_id, message, sig: HybridSignature.verify(keys[key_id], message, sig))
    assert signed == (AGENT.key_id,)


def test_signature_binds_kind_and_payload() -> None:
    """A signed result must not pass for a manifest with the same payload."""
    envelope = Envelope.sign(Kind.RESULT, PAYLOAD, [AGENT])
    as_manifest = Envelope(Kind.MANIFEST, envelope.payload, envelope.signatures)
    assert not as_manifest.verified_by(lambda _, message, sig: HybridSignature.verify(AGENT.public, message, sig))
    other = Envelope(Kind.RESULT, PAYLOAD + b" ", envelope.signatures)
    assert not other.verified_by(lambda _, message, sig: HybridSignature.verify(AGENT.public, message, sig))


REFUSED: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "not JSON": lambda: b"{",
    "not UTF-8": lambda: b'{"payload": "\xff"}',
    "byte order mark": lambda: b"\xef\xbb\xbf" + json.dumps(envelope_json()).encode(),
    "array": lambda: b"[]",
    "number": lambda: b"1",
    "deep": lambda: b"[" * 100_000,
    "too large": lambda: b" " * MAX_ENVELOPE_BYTES + json.dumps(envelope_json()).encode(),
    "unknown member": lambda: json.dumps(envelope_json(extra=1)).encode(),
    "missing payload": lambda: json.dumps({k: v for k, v in envelope_json().items() if k != "payload"}).encode(),
    "member twice": lambda: json.dumps(envelope_json()).encode()[:-1] + b', "payload": ""}',
    "another kind": lambda: json.dumps(envelope_json(payloadType="application/vnd.aegis-stream.command+json")).encode(),
    "payloadType of no kind": lambda: json.dumps(envelope_json(payloadType=1)).encode(),
    "payload no string": lambda: json.dumps(envelope_json(payload=None)).encode(),
    "payload without padding": lambda: json.dumps(envelope_json(payload="e30")).encode(),
    "payload with stray bits": lambda: json.dumps(envelope_json(payload="QR==")).encode(),
    "payload url-safe": lambda: json.dumps(envelope_json(payload="_-8=")).encode(),
    "payload with line break": lambda: json.dumps(envelope_json(payload="e30=\n")).encode(),
    "no signatures": lambda: json.dumps(envelope_json(signatures=[])).encode(),
    "signatures no array": lambda: json.dumps(envelope_json(signatures={})).encode(),
    "signature no object": lambda: json.dumps(envelope_json(signatures=["x"])).encode(),
    "signature with more": lambda: json.dumps(
        envelope_json(signatures=[{"keyid": "a", "sig": "cw==", "cert": ""}])
    ).encode(),
    "signature without keyid": lambda: json.dumps(envelope_json(signatures=[{"sig": "cw=="}])).encode(),
    "keyid empty": lambda: json.dumps(envelope_json(signatures=[{"keyid": "", "sig": "cw=="}])).encode(),
    "keyid with a space": lambda: json.dumps(envelope_json(signatures=[{"keyid": "a b", "sig": "cw=="}])).encode(),
    "signature empty": lambda: json.dumps(envelope_json(signatures=[{"keyid": "a", "sig": ""}])).encode(),
    "two under one keyid": lambda: json.dumps(envelope_json(signatures=[{"keyid": "a", "sig": "cw=="}] * 2)).encode(),
    "nine signatures": lambda: json.dumps(
        envelope_json(signatures=[{"keyid": f"k{n}", "sig": "cw=="} for n in range(9)])
    ).encode(),
    "lone surrogate": lambda: json.dumps(envelope_json()).encode()[:-1] + b', "\\ud800": 1}',
    "NaN": lambda: json.dumps(envelope_json()).encode()[:-1] + b', "a": NaN}',
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_reader_refuses_what_is_no_envelope(make: Callable[[], bytes]) -> None:
    """Two readers that differ in what they take can be shown two truths."""
    with pytest.raises(ManifestRefusedError) as refused:
        Envelope.parse(make(), Kind.MANIFEST)
    assert refused.value.reason == ManifestReason.ENVELOPE
    assert refused.value.__context__ is None  # a JSON error would carry the input along


def test_well_formed_envelope_is_read() -> None:
    """So that the table above refuses for the reason it names."""
    envelope = Envelope.parse(json.dumps(envelope_json()).encode(), Kind.MANIFEST)
    assert envelope.payload == PAYLOAD
    assert envelope.signatures == (EnvelopeSignature("agent-0123456789abcdef", b"s" * 64),)


def test_writer_refuses_what_readers_would() -> None:
    """An agent must not publish a manifest that no follower takes."""
    with pytest.raises(ManifestRefusedError) as refused:
        Envelope.sign(Kind.MANIFEST, b"x" * MAX_ENVELOPE_BYTES, [AGENT]).to_bytes()
    assert refused.value.reason == ManifestReason.ENVELOPE

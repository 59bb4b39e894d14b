"""Whatever stands on the control topic: a result, or an error of our tree, and no changed byte passes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.errors import ManifestRefusedError
from aegis_stream.keyring.dek_record import DekRecord
from aegis_stream.keyring.dsse import Envelope, Kind
from aegis_stream.keyring.manifest import Manifest
from aegis_stream.signature import HybridSignature, check_agent_public, verify_ed25519
from tests.support.keyrings import AGENT, NOW, Deployment
from tests.support.manifests import FULL, RECORD, SHAPE

if TYPE_CHECKING:
    from collections.abc import Callable

DEPLOYMENT = Deployment()
GENUINE = DEPLOYMENT.first.writes[-1][1]
GENUINE_RECORD = DEPLOYMENT.first.writes[0][1]
ENVELOPE: dict[str, Any] = json.loads(GENUINE)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


def paths(shape: object, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside."""
    found = [above] if above else []
    if isinstance(shape, dict):
        for name, value in shape.items():
            found += paths(value, (*above, name))
    elif isinstance(shape, list):
        for index, value in enumerate(shape):
            found += paths(value, (*above, index))
    return found


def replaced(shape: dict[str, Any], path: tuple[Any, ...], value: object) -> bytes:
    """Return the JSON with the value at a path replaced."""
    copy = json.loads(json.dumps(shape))
    target = copy
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return json.dumps(copy, ensure_ascii=True).encode()


def judged(read: Callable[[], object]) -> None:
    """Let a reader read; only our own refusal may come out, without a chain that carries the input."""
    try:
        read()
    except ManifestRefusedError as refused:
        assert refused.__context__ is None  # noqa: PT017 - it is optional whether anything is raised


@given(st.binary(max_size=400) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nobody knows what will stand on the topic; no foreign exception may leave a follower."""
    judged(lambda: Envelope.parse(raw, Kind.MANIFEST))
    judged(lambda: Manifest.from_payload(raw))
    judged(lambda: DekRecord.from_bytes(raw))


@given(st.none() | st.text(max_size=30) | st.sampled_from(["manifest", DEPLOYMENT.first.writes[0][0]]), st.binary())
def test_any_record_leaves_a_keyring_as_it_was(key: str | None, value: bytes) -> None:
    """Only what the agent signed, or what that names, changes the keyring."""
    keyring = DEPLOYMENT.following()
    before = keyring.view
    judged(lambda: keyring.offer(key, value, now=NOW))
    assert keyring.view is before


@given(st.sampled_from(paths(SHAPE)), json_values)
def test_manifest_with_any_value_anywhere_is_read_or_refused(path: tuple[Any, ...], value: object) -> None:
    """The agent may have a defect; what it signs is still read strictly."""
    judged(lambda: Manifest.from_payload(replaced(SHAPE, path, value)))


@given(st.sampled_from(paths(RECORD)), json_values)
def test_record_with_any_value_anywhere_is_read_or_refused(path: tuple[Any, ...], value: object) -> None:
    """The same for a DEK record."""
    judged(lambda: DekRecord.from_bytes(replaced(RECORD, path, value)))


@given(st.sampled_from(paths(ENVELOPE)), json_values)
def test_envelope_with_any_value_anywhere_is_refused(path: tuple[Any, ...], value: object) -> None:
    """Any other payload, type or signature is another statement, and nobody signed that."""
    raw = replaced(ENVELOPE, path, value)
    if json.loads(raw) == ENVELOPE:
        return
    keyring = DEPLOYMENT.keyring()
    judged(lambda: keyring.offer("manifest", raw, now=NOW))
    assert keyring.manifest is None
    assert keyring.refused.total() == 1


@given(st.integers(min_value=0, max_value=len(GENUINE) - 1), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_of_a_manifest_is_refused(position: int, flip: int) -> None:
    """Also bytes of base64 that decode to the same: there is one form."""
    changed = bytearray(GENUINE)
    changed[position] ^= flip
    keyring = DEPLOYMENT.keyring()
    judged(lambda: keyring.offer("manifest", bytes(changed), now=NOW))
    assert keyring.manifest is None


@given(st.integers(min_value=0, max_value=len(GENUINE_RECORD) - 1), st.integers(min_value=1, max_value=255))
def test_any_changed_byte_of_a_record_is_not_used(position: int, flip: int) -> None:
    """The manifest names the hash of all of it."""
    changed = bytearray(GENUINE_RECORD)
    changed[position] ^= flip
    keyring = DEPLOYMENT.keyring()
    keyring.offer(DEPLOYMENT.first.writes[0][0], bytes(changed), now=NOW)
    keyring.offer("manifest", GENUINE, now=NOW)
    assert keyring.active() is None


@given(st.binary(max_size=2000), st.binary(max_size=50), st.binary(max_size=3000))
def test_any_key_and_signature_are_judged(public: bytes, message: bytes, signature: bytes) -> None:
    """Keys and signatures of any bytes are false, and never an exception."""
    assert not HybridSignature.verify(public, message, signature)
    assert not HybridSignature.verify(public.ljust(1344, b"\0")[:1344], message, signature.ljust(2484, b"\0")[:2484])
    assert not HybridSignature.verify(AGENT.public, message, signature)
    assert not verify_ed25519(AGENT.public[:32], message, signature.ljust(64, b"\0")[:64])
    assert len(check_agent_public(AGENT.public)) == 1344


@given(st.binary(max_size=200), st.sampled_from(Kind), st.sampled_from(Kind))
def test_envelopes_go_round_for_their_kind_alone(payload: bytes, kind: Kind, other: Kind) -> None:
    """A payload of any bytes comes back; under another kind it is refused."""
    envelope = Envelope.sign(kind, payload, [AGENT])
    assert Envelope.parse(envelope.to_bytes(), kind) == envelope
    if other is not kind:
        judged(lambda: Envelope.parse(envelope.to_bytes(), other))
        moved = Envelope(other, payload, envelope.signatures)
        assert not moved.verified_by(lambda _, message, sig: HybridSignature.verify(AGENT.public, message, sig))


def test_the_shape_that_is_changed_is_a_manifest() -> None:
    """So that the properties above start from something that is taken."""
    assert Manifest.from_payload(json.dumps(SHAPE).encode()) == FULL

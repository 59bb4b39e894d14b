"""Whatever comes in, a result or an error of our own tree comes out, never a foreign exception."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aegis_stream.encryption import Opened, PIIEncryptor, Protected, Rejected, Unreadable
from aegis_stream.errors import AegisError, ReadReason, WriteReason
from aegis_stream.hybrid import HybridPrivateKey, HybridPublicKey
from aegis_stream.pii import Policy
from aegis_stream.sealing import SourceRecord, open_record
from aegis_stream.session_signer import SessionSigner, verify_session
from aegis_stream.wire import DekVersion, b64decode
from aegis_stream.wrapping import unwrap_dek
from tests.property.test_round_trip import BARE
from tests.support import vectors
from tests.support.strategies import EVENTS, VALUES, spoil_bytes
from tests.support.vector_keys import ENGINES, decryptor, private_key

if TYPE_CHECKING:
    from collections.abc import Callable

READER = decryptor("bare")
WRITERS = {
    engine: PIIEncryptor(public_key=private_key(BARE).public, dek_version=BARE, engine=engine) for engine in ENGINES
}
WRITER = WRITERS["python"]
SOURCE = SourceRecord("aegis.raw", 0, 1)
JSON_LIKE = st.text('{}[]":,0123456789eE+-.tfn \\u_aegisd', max_size=40).map(str.encode)
ANY_BYTES = st.one_of(
    st.binary(max_size=60), JSON_LIKE, st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))
)


class Kek:
    """A KEK over a named pair."""

    def get_public_key(self) -> bytes:
        """Return its public key."""
        return vectors.public("kek-1")

    def decapsulate(self, encapsulation: bytes) -> bytes:
        """Open an encapsulation."""
        return private_key("kek-1").decapsulate(encapsulation)


@given(ANY_BYTES)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"a":' + b"[" * 1_500 + b"]" * 1_500 + b"}")
@example(b'{"a":"' + b"\\" * 100_000)
@example(b'{"a":' + b"9" * 100_000 + b"}")
@example(b'{"a":1e' + b"9" * 100_000 + b"}")
@example(b'{"actor_id":' + b'{"a":' * 63 + b"1" + b"}" * 64)
@example(b"\x00")
def test_any_bytes_give_a_result(raw: bytes) -> None:
    """Poison input must never stop the stream: both doors answer for every record."""
    for engine in ENGINES:
        (written,) = WRITERS[engine].protect_batch([raw])
        assert isinstance(written, Protected | Rejected)
        assert not isinstance(written, Rejected) or written.reason in set(WriteReason)
    (read,) = READER.open_batch([raw])
    assert isinstance(read, Opened | Unreadable)
    assert not isinstance(read, Unreadable) or read.reason in set(ReadReason)


@given(st.data(), EVENTS)
def test_nearly_encrypted_events_give_a_result(data: st.DataObject, event: dict[str, Any]) -> None:
    """The same for documents that come far into the reader."""
    protected = WRITER(event)
    (raw,) = WRITER.protect_batch([json.dumps(event).encode()])
    assert isinstance(raw, Protected)
    (read,) = READER.open_batch([spoil_bytes(data, raw.value)])
    assert isinstance(read, Opened | Unreadable)
    protected[data.draw(st.text(max_size=3))] = data.draw(VALUES)
    with contextlib.suppress(AegisError):
        READER(protected)


def deep(levels: int) -> Any:  # noqa: ANN401 -- lists in lists
    """Nest lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


ODD = st.sampled_from(
    (
        *(float("nan"), float("inf"), 2**64, -(2**63) - 1, 10**400, b"bytes", {1, 2}, (1, 2), 1 + 2j, object()),
        *("\ud800", {"\udfff": 1}, {1: "a"}, {None: 1}, {("a",): 1}, dt.datetime.now(dt.UTC), dt.date(2026, 1, 1)),
        *(deep(63), deep(70), deep(300), deep(5_000), Exception("x"), bytearray(b"x"), memoryview(b"x"), range(3)),
    )
)


@given(st.sampled_from(("actor_id", "public", "event_id", "_aegis", "\ud800")), ODD, st.booleans())
def test_python_values_that_json_has_not_are_refused_in_our_own_words(name: str, value: object, inside: bool) -> None:  # noqa: FBT001 -- drawn
    """The call on a dict sees anything a program may hold; TypeError, OverflowError and RecursionError stay inside."""
    event: dict[str, Any] = {"event_id": "e", name: [value] if inside else value}
    for call in (WRITER, READER):
        with contextlib.suppress(AegisError):
            call(event)


def test_an_event_that_holds_itself_is_refused() -> None:
    """A cycle has no end, and no JSON."""
    event: dict[str, Any] = {"event_id": "e"}
    event["actor_id"] = [event]
    for call in (WRITER, READER):
        with pytest.raises(AegisError):
            call(event)


def only_ours(call: Callable[[], object]) -> None:
    """Call; errors of our tree are fine, all others fail the test."""
    with contextlib.suppress(AegisError):
        call()


@given(ANY_BYTES | st.integers(0, 4000).map(lambda size: b"\x11k" + b"\x01" * size))
@example(b"\x11k" + b"\x00" * 3580)
@example(b"\x11d" + b"\x00" * 1148)
@example(b"\x00" * 1216)
@example(b"\xff" * 1216)
@example(b"\x00" * 2432)
@example(b"\xff" * 2432)
@example(b"\x00" * 1120)
@example(b"\x00" * 32)
def test_any_bytes_as_keys_and_blobs_give_a_result(raw: bytes) -> None:
    """Keys come from variables and files, blobs from topics that others may write to."""
    only_ours(lambda: HybridPublicKey.from_bytes(raw))
    only_ours(lambda: HybridPrivateKey.from_bytes(raw))
    only_ours(lambda: HybridPrivateKey.from_bytes(raw, public=raw))
    only_ours(lambda: private_key(BARE).decapsulate(raw))
    only_ours(lambda: SessionSigner.from_seed(raw))
    only_ours(lambda: unwrap_dek(raw, dek_version=BARE, dek_public_key=vectors.public(BARE), kek=Kek()))
    only_ours(
        lambda: open_record(
            raw,
            decapsulate=private_key(BARE).decapsulate,
            dek_public_key=vectors.public(BARE),
            dek_version=BARE,
            source=SOURCE,
            reason="not-json",
        )
    )
    assert verify_session(raw, BARE, b"", raw) is False


@given(st.text(max_size=40))
def test_any_text_as_version_or_base64_gives_a_result(text: str) -> None:
    """They come from settings and manifests."""
    only_ours(lambda: DekVersion.parse(text))
    only_ours(lambda: b64decode(text))


@given(VALUES)
@example({"id": "x", "names": ["\ud800"]})
@example({"id": "x", "pointers": ["/~"]})
def test_any_json_as_a_policy_gives_a_result(value: Any) -> None:  # noqa: ANN401 -- any JSON value
    """A policy comes from a file or a manifest."""
    only_ours(lambda: Policy.from_json(value))

"""Texts, prefixes and blobs: the library and the second reading of the text take and make the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.encryption.timestamp import is_timestamp
from aegis_stream.errors import AegisError, KeyRefusedError, TooLongError, WriteReason
from aegis_stream.hybrid import HybridPublicKey
from aegis_stream.sealing import OpenedRecord, SourceRecord, open_record, seal_record
from aegis_stream.wire import DekVersion, b64decode, b64encode, kek_id, lp, lp32, signer_id
from aegis_stream.wire.forms import is_source
from aegis_stream.wrapping import WRAPPED_BYTES, unwrap_dek, wrap_dek
from tests.property.test_any_bytes import Kek
from tests.property.test_round_trip import BARE
from tests.support import vectors
from tests.support.second_decoder import frames, records, xwing
from tests.support.strategies import spoil_text
from tests.support.vector_keys import private_key

PART = st.one_of(st.none(), st.binary(max_size=30))
HEADERS = st.lists(st.tuples(st.text(max_size=6), PART), max_size=4)
SOURCES = st.builds(
    SourceRecord, st.sampled_from(("a", "aegis.raw")), st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1)
)
PAIR = xwing.Pair(vectors.private(BARE), vectors.public(BARE))
KEK_PAIR = xwing.Pair(vectors.private("kek-1"), vectors.public("kek-1"))
WRAPPED = records.wrap(PAIR, BARE, KEK_PAIR.public, eseed=b"\7" * 64, nonce=b"\x08" * 12)
SEALED = records.seal(
    records.Record(b"k", b"v", [("h", b"x")]),
    BARE,
    records.Where("aegis.raw", 1, 2, "not-json"),
    PAIR.public,
    eseed=b"\5" * 64,
    nonce=b"\6" * 12,
)


def near(*texts: str) -> st.SearchStrategy[str]:
    """Give texts of a form, and texts that miss it by up to two characters."""

    @st.composite
    def spoilt(draw: st.DrawFn) -> str:
        text = draw(st.sampled_from(texts))
        for _ in range(draw(st.integers(0, 2))):
            text = spoil_text(_Data(draw), text)
        return text

    return spoilt()


class _Data:
    """Lets a composite strategy draw where a test's data object would."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def draw(self, strategy: st.SearchStrategy[Any]) -> Any:  # noqa: ANN401 -- whatever the strategy gives
        return self._draw(strategy)


def accepts(call: Any, text: str) -> bool:  # noqa: ANN401 -- any parser
    """Tell whether a parser takes a text."""
    try:
        call(text)
    except KeyRefusedError:
        return False
    return True


@given(near("dek-v1-20260101", "dek-v10-20240229", "dek-v999999999-99991231") | st.from_regex(r"dek-v\d{1,10}-\d{8}"))
def test_dek_versions(text: str) -> None:
    """Form and calendar, ASCII digits only, the whole text."""
    n = frames.dek_number(text)
    assert accepts(DekVersion.parse, text) == (n is not None)
    if n is not None:
        assert DekVersion.parse(text).n == n


@given(near("2026-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "0001-01-01T00:00:00Z"))
def test_times(text: str) -> None:
    """A real second of UTC."""
    assert is_timestamp(text) == frames.is_time(text)


@given(near("aegis.raw/0/0", "a/2147483647/9223372036854775807", "a/10/100"))
def test_sources(text: str) -> None:
    """topic/partition/offset within Kafka's bounds."""
    assert is_source(text) == frames.is_source(text)


@given(st.binary(max_size=40), st.data())
def test_base64(raw: bytes, data: st.DataObject) -> None:
    """One text for one value: whatever is accepted encodes back to itself."""
    assert b64encode(raw) == frames.b64(raw)
    text = spoil_text(data, b64encode(raw))
    assert accepts(b64decode, text) == (frames.unb64(text) is not None)
    if accepts(b64decode, text):
        assert b64encode(b64decode(text)) == text


@given(st.binary(max_size=300) | st.integers(65530, 65540).map(bytes))
def test_length_prefixes(raw: bytes) -> None:
    """2 bytes hold 65,535 and no more; 4 bytes hold the rest, and absent is no length."""
    try:
        expected = frames.lp(raw)
    except frames.TooLongError:
        with pytest.raises(TooLongError):
            lp(raw)
    else:
        assert lp(raw) == expected
    assert lp32(raw) == frames.lp32(raw) != lp32(None) == frames.lp32(None)


@given(st.binary(min_size=32, max_size=32))
def test_ids(public: bytes) -> None:
    """16 hex digits of SHA-256."""
    assert kek_id(public) == frames.kek_id(public)
    assert signer_id(public) == frames.signer_id(public)


@given(PART, PART, HEADERS, SOURCES, st.sampled_from(WriteReason))
def test_sealed_records_cross(
    key: bytes | None,
    value: bytes | None,
    headers: list[tuple[str, bytes | None]],
    source: SourceRecord,
    reason: WriteReason,
) -> None:
    """What one seals the other opens; absent stays absent."""
    public = HybridPublicKey.from_bytes(PAIR.public)
    where = records.Where(*source, str(reason))
    sealed = seal_record(
        dek_public_key=public,
        dek_version=BARE,
        source=source,
        reason=reason,
        key=key,
        value=value,
        headers=headers,
    )
    assert records.open_sealed(sealed, BARE, where, PAIR) == records.Record(key, value, headers)
    record = records.Record(key, value, headers)
    theirs = records.seal(record, BARE, where, PAIR.public, eseed=b"\5" * 64, nonce=b"\6" * 12)
    assert opened(theirs, source, reason) == OpenedRecord(key, value, tuple(headers))


def opened(sealed: bytes, source: SourceRecord, reason: WriteReason) -> OpenedRecord:
    """Open by the library."""
    return open_record(
        sealed,
        decapsulate=private_key(BARE).decapsulate,
        dek_public_key=PAIR.public,
        dek_version=BARE,
        source=source,
        reason=reason,
    )


@given(st.data())
def test_changed_sealed_records_are_refused(data: st.DataObject) -> None:
    """Any byte, and any of the things it is bound to."""
    source = SourceRecord("aegis.raw", 1, 2)
    at = data.draw(st.integers(0, len(SEALED) - 1))
    flipped = SEALED[:at] + bytes([SEALED[at] ^ data.draw(st.integers(1, 255))]) + SEALED[at + 1 :]
    with pytest.raises(KeyRefusedError):
        opened(flipped, source, WriteReason.NOT_JSON)
    other = data.draw(
        st.sampled_from((source._replace(topic="b"), source._replace(partition=2), source._replace(offset=0)))
    )
    with pytest.raises(KeyRefusedError):
        opened(SEALED, other, WriteReason.NOT_JSON)


def test_wrapped_deks_cross() -> None:
    """What one wraps the other unwraps."""
    wrapped = wrap_dek(private_key(BARE), dek_version=BARE, kek_public_key=KEK_PAIR.public)
    assert len(wrapped) == WRAPPED_BYTES == records.WRAPPED_BYTES
    assert records.unwrap(wrapped, BARE, PAIR.public, KEK_PAIR) == PAIR.private
    unwrapped = unwrap_dek(WRAPPED, dek_version=BARE, dek_public_key=PAIR.public, kek=Kek())
    assert unwrapped.export() == PAIR.private


@given(st.data())
def test_changed_wrapped_deks_are_refused(data: st.DataObject) -> None:
    """Any byte, the encapsulation's included."""
    at = data.draw(st.integers(0, len(WRAPPED) - 1))
    flipped = WRAPPED[:at] + bytes([WRAPPED[at] ^ data.draw(st.integers(1, 255))]) + WRAPPED[at + 1 :]
    with pytest.raises(AegisError):
        unwrap_dek(flipped, dek_version=BARE, dek_public_key=PAIR.public, kek=Kek())

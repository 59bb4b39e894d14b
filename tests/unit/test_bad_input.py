"""Bad input at both doors of the library: refused for the right reason, and nothing else is disturbed."""

from __future__ import annotations

import traceback
from typing import Any

import orjson
import pytest

from aegis_stream.encryption import (
    Opened,
    PIIDecryptor,
    PIIEncryptor,
    Protected,
    Rejected,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import AegisError, EventRefusedError, EventUnreadableError, ReadReason, WriteReason
from aegis_stream.hybrid import HybridKEM, HybridKeypair

VERSION = "dek-v1-20260101"
SECRET = "CANARY-7f3a"
GOOD = b'{"event_id":"e","actor_id":"alice"}'
NOT_JSON, TOO_DEEP, NUMBER = "not-json", "too-deep", "number"


def levels(count: int, innermost: bytes = b"1") -> bytes:
    """Nest an event `count` levels deep."""
    return b'{"a":' * count + innermost + b"}" * count


# Refused by a writer and by a reader alike, for the same reason: it stands in the document itself.
DOCUMENTS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", NOT_JSON),
    "blank": (b" \n", NOT_JSON),
    "text": (b"CANARY-7f3a", NOT_JSON),
    "truncated": (b'{"actor_id":"CANARY-7f3a"', NOT_JSON),
    "trailing": (b'{"actor_id":"CANARY-7f3a"}]', NOT_JSON),
    "two": (b'{"actor_id":"CANARY-7f3a"}\n{}', NOT_JSON),
    "null": (b"null", NOT_JSON),
    "array": (b'[{"actor_id":"CANARY-7f3a"}]', NOT_JSON),
    "string": (b'"CANARY-7f3a"', NOT_JSON),
    "number-at-top": (b"17", NOT_JSON),
    "false": (b"false", NOT_JSON),
    "byte-order-mark": (b'\xef\xbb\xbf{"actor_id":"CANARY-7f3a"}', NOT_JSON),
    "utf-16": ('{"actor_id":"CANARY-7f3a"}'.encode("utf-16"), NOT_JSON),
    "not-utf-8": (b'{"actor_id":"CANARY-7f3a\xff"}', NOT_JSON),
    "cut-utf-8": (b'{"actor_id":"CANARY-7f3a\xc3"}', NOT_JSON),
    "surrogate-utf-8": (b'{"actor_id":"CANARY-7f3a\xed\xa0\x80"}', NOT_JSON),
    "lone-surrogate": (b'{"actor_id":"CANARY-7f3a\\ud83d"}', NOT_JSON),
    "lone-low-surrogate": (b'{"CANARY-7f3a\\ude00":1}', NOT_JSON),
    "nan": (b'{"actor_id":NaN,"author_id":"CANARY-7f3a"}', NOT_JSON),
    "infinity": (b'{"actor_id":-Infinity,"author_id":"CANARY-7f3a"}', NOT_JSON),
    "too-large-integer": (b'{"actor_id":"CANARY-7f3a","n":18446744073709551616}', NUMBER),
    "too-small-integer": (b'{"actor_id":["CANARY-7f3a",-9223372036854775809]}', NUMBER),
    "long-integer": (b'{"actor_id":"CANARY-7f3a","n":' + b"1" * 6000 + b"}", NUMBER),
    "infinite-float": (b'{"actor_id":"CANARY-7f3a","n":1e309}', NUMBER),
    "infinite-float-inside": (b'{"actor_id":["CANARY-7f3a",{"n":-1E+9999}]}', NUMBER),
    "levels-66": (levels(66, b'"CANARY-7f3a"'), TOO_DEEP),
    "levels-1000": (levels(1000, b'"CANARY-7f3a"'), TOO_DEEP),
    "levels-of-arrays": (b'{"actor_id":' + b"[" * 700 + b"]" * 700 + b"}", TOO_DEEP),
    "levels-past-the-parser": (levels(100_000), TOO_DEEP),
}
# Refused by a writer alone.
WRITERS: dict[str, tuple[bytes, str, str]] = {
    "levels-65": (levels(65, b'"CANARY-7f3a"'), TOO_DEEP, ""),
    "levels-65-inside-a-value": (b'{"actor_id":' + b"[" * 64 + b'"CANARY-7f3a"' + b"]" * 64 + b"}", TOO_DEEP, ""),
    "aegis-there": (b'{"_aegis":{"v":1},"actor_id":"CANARY-7f3a"}', "has-aegis", "/_aegis"),
    "aegis-null": (b'{"actor_id":"CANARY-7f3a","_aegis":null}', "has-aegis", "/_aegis"),
    "aegis-escaped": (b'{"_a\\u0065gis":0,"actor_id":"CANARY-7f3a"}', "has-aegis", "/_aegis"),
    "duplicate": (b'{"kind":1,"kind":2,"actor_id":"CANARY-7f3a"}', "duplicate", ""),
    "duplicate-sensitive": (b'{"actor_id":"CANARY-7f3a","actor_id":null}', "duplicate", ""),
    "duplicate-escaped": (b'{"actor_id":"CANARY-7f3a","\\u0061ctor_id":null}', "duplicate", ""),
    "duplicate-event-id": (b'{"event_id":"a","event_id":"b","actor_id":"CANARY-7f3a"}', "duplicate", ""),
    "event-id-of-1-MB": (b'{"event_id":"' + b"e" * 1_000_000 + b'","actor_id":"CANARY-7f3a"}', "too-long", "/event_id"),
    "event-id-of-65536": (b'{"event_id":"' + b"e" * 65_536 + b'"}', "too-long", "/event_id"),
}


@pytest.fixture(scope="module")
def pair() -> HybridKeypair:
    """Make one key pair for all."""
    return HybridKEM.generate_keypair()


@pytest.fixture(scope="module")
def writer(pair: HybridKeypair) -> PIIEncryptor:
    """Make an encryptor under the default policy."""
    return create_pii_enricher(public_key=pair.public, dek_version=VERSION)


@pytest.fixture(scope="module")
def reader(pair: HybridKeypair) -> PIIDecryptor:
    """Make the decryptor that belongs to it."""
    return create_pii_decryptor(private_key=pair.private, dek_version=VERSION)


def protect(writer: PIIEncryptor, raw: bytes) -> bytes:
    """Protect an event that is taken."""
    (result,) = writer.protect_batch([raw])
    assert isinstance(result, Protected)
    return result.value


def opened(reader: PIIDecryptor, raw: bytes) -> dict[str, Any]:
    """Open an event that is taken."""
    (result,) = reader.open_batch([raw])
    assert isinstance(result, Opened)
    return result.event


@pytest.mark.parametrize("name", DOCUMENTS)
def test_writer_refuses_a_bad_document(writer: PIIEncryptor, name: str) -> None:
    """The reason goes into the dead letter and the metric; an operator finds the producer's fault by it."""
    raw, reason = DOCUMENTS[name]
    assert writer.protect_batch([raw]) == [Rejected(WriteReason(reason))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_reader_refuses_a_bad_document(reader: PIIDecryptor, name: str) -> None:
    """The first step of a reader is the writer's: nothing of a bad document is looked at."""
    raw, reason = DOCUMENTS[name]
    assert reader.open_batch([raw]) == [Unreadable(ReadReason(reason))]


@pytest.mark.parametrize("name", WRITERS)
def test_writer_refuses_a_bad_event(writer: PIIEncryptor, name: str) -> None:
    """What a writer may not write, although it is JSON."""
    raw, reason, path = WRITERS[name]
    assert writer.protect_batch([raw]) == [Rejected(WriteReason(reason), path)]


def test_reader_refuses_what_was_never_protected(reader: PIIDecryptor) -> None:
    """Plain events on the encrypted topic are a producer's mistake, and must not look like encrypted ones."""
    assert reader.open_batch([GOOD, b"{}", levels(65)]) == [Unreadable(ReadReason.NOT_PROTECTED)] * 3


def test_the_deepest_event_passes_both_doors(writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """64 levels are allowed, and a field at the last of them stands one deeper once encrypted."""
    raw = levels(63, b'{"actor_id":"alice"}')
    assert opened(reader, protect(writer, raw)) == orjson.loads(raw)


def test_ten_megabytes_pass_or_are_too_large(pair: HybridKeypair, writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """Size alone is no fault: only what the output topic takes is a limit, to the byte."""
    raw = orjson.dumps({"event_id": "e", "actor_id": "x" * 5_000_000, "public": "y" * 5_000_000})
    value = protect(writer, raw)
    assert opened(reader, value) == orjson.loads(raw)
    for limit, expected in ((len(value), Protected), (len(value) - 1, Rejected)):
        limited = create_pii_enricher(public_key=pair.public, dek_version=VERSION, max_output_bytes=limit)
        (result,) = limited.protect_batch([raw])
        assert isinstance(result, expected)
        assert not isinstance(result, Rejected) or result == Rejected(WriteReason.TOO_LARGE)


def test_ten_megabytes_of_garbage_are_judged(writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """Long poison costs one linear look, not a crash and not minutes."""
    size = 10_000_000
    tokens = b"1," * 250_000
    poison = {
        b"[" * size: NOT_JSON,
        b'{"a":' * (size // 5): TOO_DEEP,
        b'{"a":' + b"9" * size + b"}": NUMBER,
        b'{"a":"' + b"\\" * size: NOT_JSON,
        b'{"a":"' + b'\\"' * (size // 2): NOT_JSON,
        b"\xff" * size: NOT_JSON,
        b" " * 500_000: NOT_JSON,
        b'{"a":1e300,"b":[' + tokens + b"18446744073709551616]}": NUMBER,
        b'{"a":[' + tokens + b"1e999]}": NUMBER,
        b'{"a":[' + tokens + b"]}": NOT_JSON,
    }
    for raw, reason in poison.items():
        assert writer.protect_batch([raw]) == [Rejected(WriteReason(reason))], raw[:20]
        assert reader.open_batch([raw]) == [Unreadable(ReadReason(reason))], raw[:20]


def test_bad_records_do_not_disturb_their_neighbours(writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """One poison record in a batch must cost that record alone."""
    poison = [raw for raw, _ in DOCUMENTS.values()]
    mixed = [part for raw in poison for part in (raw, GOOD)]
    results = writer.protect_batch(mixed)
    assert [type(result) for result in results] == [Rejected, Protected] * len(poison)
    values = [result.value if isinstance(result, Protected) else b"" for result in results]
    read = reader.open_batch([raw if i % 2 == 0 else values[i] for i, raw in enumerate(mixed)])
    assert [type(result) for result in read] == [Unreadable, Opened] * len(poison)


def test_refusals_are_counted_by_reason(pair: HybridKeypair) -> None:
    """Metrics show which rule refused how often."""
    writer = create_pii_enricher(public_key=pair.public, dek_version=VERSION)
    writer.protect_batch([b"", b"[]", GOOD, WRITERS["levels-65"][0], WRITERS["aegis-null"][0]])
    assert writer.stats.rejected == {WriteReason.NOT_JSON: 2, WriteReason.TOO_DEEP: 1, WriteReason.HAS_AEGIS: 1}


def test_no_refusal_shows_a_value(writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """Reasons and paths go to logs and dead letters; a value must not travel with them."""
    raws = [raw for raw, _ in DOCUMENTS.values()] + [raw for raw, _, _ in WRITERS.values()]
    shown = [repr(writer.protect_batch([raw])) + repr(reader.open_batch([raw])) for raw in raws]
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    "value",
    [float("nan"), 2**64, b"CANARY-7f3a", {"CANARY-7f3a"}, "CANARY-7f3a\ud800", {1: SECRET}, [[object(), SECRET]]],
)
def test_no_exception_shows_a_value(writer: PIIEncryptor, reader: PIIDecryptor, value: object) -> None:
    """The call on a dict raises; neither the error nor what hangs on it quotes the input."""
    event = {"event_id": "e", "actor_id": value, "author_id": SECRET}
    for call, error in ((writer, EventRefusedError), (reader, EventUnreadableError)):
        with pytest.raises(error) as caught:
            call(event)
        assert SECRET not in chain(caught.value)


def test_a_refused_event_shows_no_value_in_its_exception(writer: PIIEncryptor, reader: PIIDecryptor) -> None:
    """The same for events that are JSON: refused for a member, a tag, a missing head."""
    bad: dict[str, Any] = {"_aegis": 1, "actor_id": SECRET}
    with pytest.raises(EventRefusedError) as refused:
        writer(bad)
    protected = writer({"event_id": SECRET, "actor_id": SECRET})
    protected["event_id"] = "other"
    with pytest.raises(EventUnreadableError) as unreadable:
        reader(protected)
    assert (unreadable.value.reason, unreadable.value.path) == (ReadReason.TAG, "/actor_id")
    assert SECRET not in chain(refused.value) + chain(unreadable.value)


def chain(error: AegisError) -> str:
    """Show an error with all that hangs on it, quoted documents included."""
    text, link = "", error
    seen: list[BaseException] = []
    node: BaseException | None = link
    while node is not None and node not in seen:
        seen.append(node)
        text += "".join(traceback.format_exception_only(node)) + repr(node) + repr(vars(node))
        node = node.__cause__ or node.__context__
    return text

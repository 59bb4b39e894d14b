"""The rules of a document that the parser does not enforce or name."""

from __future__ import annotations

import time

import pytest

from aegis_stream.document import (
    any_big,
    container_fault,
    count_members,
    fault_of,
    has_duplicates,
    out_of_range,
    parse_object,
)

FAULTS = [
    (b"", "not-json"),
    (b"null", "not-json"),
    (b"[1]", "not-json"),
    (b'"text"', "not-json"),
    (b'{"a":1} x', "not-json"),
    (b'{"a":1}{"b":2}', "not-json"),
    (b"\xef\xbb\xbf{}", "not-json"),
    (b'{"a":"\xff"}', "not-json"),
    (b'{"a":NaN}', "not-json"),
    (b'{"a":-Infinity}', "not-json"),
    (b'{"a":"\\ud800"}', "not-json"),
    (b'{"a":"\\udc00\\ud800"}', "not-json"),
    (b'{"a":01}', "not-json"),
    (b'{"a":1e999}', "number"),
    (b'{"a":-1e400,"b":', "number"),
    (b'{"a":18446744073709551616,', "number"),
    (b'{"a":"\\\\ud800","b":1e999}', "number"),
    (b'{"a":' * 65, "too-deep"),
    (b'{"a":' + b"[" * 64, "too-deep"),
]


@pytest.mark.parametrize(("raw", "fault"), FAULTS, ids=[str(raw[:24]) for raw, _ in FAULTS])
def test_the_first_fault_from_the_left_is_named(raw: bytes, fault: str) -> None:
    """An operator who sees the reason of a dead letter looks for that fault."""
    assert parse_object(raw) is None
    assert fault_of(raw, 64) == fault


@pytest.mark.parametrize(
    ("number", "outside"),
    [
        (b"18446744073709551615", False),
        (b"18446744073709551616", True),
        (b"-9223372036854775808", False),
        (b"-9223372036854775809", True),
        (b"99999999999999999999.5", False),
        (b"1e30", False),
        (b'"99999999999999999999999"', False),
        (b'"\\"99999999999999999999999"', False),
        (b"1" * 5000, True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_integers_beyond_64_bits_are_found_in_the_text(number: bytes, *, outside: bool) -> None:
    """The parser turned them into floats: silently changing a number is what no writer may do."""
    assert out_of_range(b'{"a":' + number + b"}") is outside


def test_depth_counts_objects_and_arrays() -> None:
    """The limit is on both, or an attacker would nest the other kind."""
    assert not container_fault([{"a": [1]}], 3, [])
    assert container_fault([{"a": [1]}], 2, [])
    assert not container_fault("text", 0, [])


def test_floats_are_collected_at_any_depth() -> None:
    """One of them may be an integer that was too large."""
    floats: list[float] = []
    assert not container_fault({"a": [1.5, {"b": 2.0**64}], "c": 1}, 5, floats)
    assert floats == [1.5, 2.0**64]
    assert any_big(floats)
    assert not any_big(floats[:1])


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b"x" * 10_000_000,
        b'{"a":"' + b"\\n" * 5_000_000,
        b'{"a":' + b"1" * 1_000_000 + b",",
        b'{"a":[' + b"1," * 500_000,
        b"{" * 10_000_000,
    ],
    ids=["string", "escapes", "digits", "numbers", "braces"],
)
def test_looking_for_the_fault_of_a_large_input_ends(raw: bytes) -> None:
    """Poison must not stop the stream: the look is linear (10 s would be a thousand times what it takes)."""
    before = time.monotonic()
    assert fault_of(raw, 64) in {"not-json", "number", "too-deep"}
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("raw", "duplicates"),
    [
        (b'{"a":1,"b":{"a":2}}', False),
        (b'{"a":1,"a":1}', True),
        (b'{"x":[{"a":1,"a":2}]}', True),
        (b'{"a" :1,"a":2}', True),
        (b'{"a"\n:1,"b":2}', False),
        (b'{"a":1,"\\u0061":2}', True),
        (b'{"a":"\\u0022:","a":"x"}', True),
        (b'{"a":"\\u0022:","b":"x"}', False),
        (b'{"a":"\\":","a":"x"}', True),
        (b'{"a":"x\\":\\":","b\\":":"\xc3\xa4"}', False),
        (b'{"a":{"b":1},"a":{"b":1}}', True),
        (b'{"a":"\\\\u003a","b":[{"a":1,"c":2}],"a":2}', True),
        (b'{"a" : 1, "b" : 2}', False),
        (b"{}", False),
    ],
    ids=str,
)
def test_two_members_of_one_name_are_found(raw: bytes, *, duplicates: bool) -> None:
    """The parser keeps the last one; a reader that keeps the first would see another event."""
    event = parse_object(raw)
    assert event is not None
    assert has_duplicates(raw, count_members(event)) is duplicates

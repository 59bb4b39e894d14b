"""Hypothesis strategies: JSON events that come near every rule, policies, and ways to spoil a document."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

from tests.support.second_decoder.policy import TWELVE

SPELLINGS = ("actorId", "ACTOR_ID", "actor.id", "Signer Id", "combined-hash", "E_Mail", "e-mail")
NAMES = st.sampled_from(
    (
        *TWELVE,
        *SPELLINGS,
        *("event_id", "a", "b", "", "*", "0", "1", "a/b", "~", "~1", "people", "phone", "list", "meta"),
        *("_encrypted", "_ciphertext", "_algorithm", "_dek_version", "x" * 40, "\u00e9", "\U0001f600", "\uffee"),
    )
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.sampled_from((0, -1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.0, -0.0, 1.0, 1e300, 2.0**64, -(2.0**63), 5e-324)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.text('":\\a\u003b', max_size=5),
    st.sampled_from(("", "a", "\x00", "\u2028", "\ud7ff\ue000", '"\\/', "1", "null")),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=8,
)
EVENTS = st.dictionaries(NAMES | st.text(max_size=4), VALUES, max_size=6).map(
    lambda event: {name: value for name, value in event.items() if name != "_aegis"}
)

_STEPS = st.sampled_from(("a", "b", "*", "0", "1", "~0", "~1", "", "people", "actor_id", "list", "a~1b"))
POINTERS = st.lists(_STEPS, min_size=1, max_size=3).map(lambda steps: "".join(f"/{step}" for step in steps))
POLICIES = st.fixed_dictionaries(
    {
        "id": st.just("p"),
        "names": st.lists(st.sampled_from(("e-mail", "Phone", "event id", "a", "\u00c9")), max_size=2),
        "pointers": st.lists(POINTERS, max_size=3),
        "exclude": st.lists(POINTERS | st.sampled_from(("actor_id", "SIGNER-ID", "phone")), max_size=2),
    }
)

# Values that stand near the forms of `_aegis` and of an encrypted field.
NEAR = st.sampled_from(
    (
        *("", "0" * 32, "0" * 64, "A" * 64, "0" * 16, "AA==", "dek-v1-20260101", "dek-v1-20260102", "dek-v3-20260401"),
        *("2026-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "aegis.raw/0/1", "a/b", "x25519+ml-kem-768+aes-256-gcm"),
        *(True, False, None, 0, 1, 1.0, 2, [], {}, {"_encrypted": True}, {"_ciphertext": ""}),
    )
).map(copy.deepcopy)  # some are changed once they stand in an event


def places(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401 -- any JSON value
    """List (container, key) of every member and element, in document order."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key, child in list(value.items() if isinstance(value, dict) else enumerate(value)):
            found.append((value, key))
            found += places(child)
    return found


def _one_change(data: st.DataObject, event: dict[str, Any]) -> None:
    spots = places(event)
    if not spots:
        event[data.draw(NAMES)] = data.draw(VALUES)
        return
    container, key = data.draw(st.sampled_from(spots))
    other, other_key = data.draw(st.sampled_from(spots))
    change = data.draw(st.sampled_from(("set", "near", "delete", "swap", "copy", "add", "rename", "text")))
    if change == "set":
        container[key] = data.draw(VALUES)
    elif change == "near":
        container[key] = data.draw(NEAR)
    elif change == "delete":
        del container[key]
    elif change == "swap":
        container[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(container[key])
    elif change == "copy":
        container[key] = copy.deepcopy(other[other_key])
    elif change == "add" and isinstance(container[key], dict):
        container[key][data.draw(NAMES)] = data.draw(NEAR | VALUES)
    elif change == "rename" and isinstance(container, dict):
        container[data.draw(NAMES)] = container.pop(key)
    elif change == "text" and isinstance(container[key], str):
        container[key] = spoil_text(data, container[key])


def spoil_text(data: st.DataObject, text: str) -> str:
    """Change one character of a text, or its length."""
    at = data.draw(st.integers(0, len(text)))
    new = data.draw(st.sampled_from("0aAZz9+/=-_ \n\u0660\u00e9"))
    keep = data.draw(st.integers(0, 1))
    return text[:at] + new + text[at + keep :]


def spoil(data: st.DataObject, event: dict[str, Any]) -> None:
    """Change an encrypted event in one to three places."""
    for _ in range(data.draw(st.integers(1, 3))):
        _one_change(data, event)


def spoil_bytes(data: st.DataObject, raw: bytes) -> bytes:
    """Change, drop, add or repeat a few bytes of a document."""
    at = data.draw(st.integers(0, len(raw)))
    size = data.draw(st.integers(0, 8))
    new = data.draw(
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from(
                (b'"', b"{", b"}", b"[", b",", b":", b"\\u0041", b"\\ud800", b"1e999", b"18446744073709551616")
            ),
            st.just(raw[at : at + size] * 2),
        )
    )
    return raw[:at] + new + raw[at + size :]


def _spelled_string(data: st.DataObject, text: str) -> str:
    out = []
    for character in text:
        if ord(character) > 0xFFFF or data.draw(st.integers(0, 9)) < 8:
            out.append(json.dumps(character, ensure_ascii=False)[1:-1])
        else:
            out.append(f"\\u{ord(character):04{data.draw(st.sampled_from('xX'))}}")
    return '"' + "".join(out) + '"'


def spelled(data: st.DataObject, value: Any, *, duplicates: bool) -> str:  # noqa: ANN401 -- any JSON value
    """Write a value as JSON in some spelling: white space, escapes and, where asked for, members told twice."""
    gap = data.draw(st.sampled_from(("", "", "", " ", "\n\t", "\r ")))
    if isinstance(value, str):
        return gap + _spelled_string(data, value)
    if isinstance(value, list):
        return f"{gap}[{','.join(spelled(data, child, duplicates=duplicates) for child in value)}{gap}]"
    if not isinstance(value, dict):
        return gap + json.dumps(value)
    members = list(value.items())
    if duplicates and members and data.draw(st.booleans()):
        first = data.draw(st.sampled_from(members))[0]
        members.insert(0, (first, data.draw(SCALARS)))
    texts = [
        f"{gap}{_spelled_string(data, name)}{gap}:{spelled(data, child, duplicates=duplicates)}"
        for name, child in members
    ]
    return f"{gap}{{{','.join(texts)}{gap}}}"

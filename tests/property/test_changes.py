"""Whoever changes an encrypted event without the key gains nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aegis_stream.encryption import Opened, Unreadable
from tests.property.test_round_trip import BARE
from tests.support.second_decoder import policy, writer
from tests.support.strategies import EVENTS, spoil_bytes, spoil_text
from tests.support.vector_keys import decryptor
from tests.vectors.generator import material

if TYPE_CHECKING:
    from tests.support.second_decoder.schedule import Place

ACTIVE = material.ACTIVE
RAW = '{"event_id":"evt-1","kind":"gate","actor_id":"alice","approvals":[{"signer_id":7},{"signer_id":"bob"}]}'
READER = decryptor("deployment")
BARE_READER = decryptor("bare")


def signed(raw: str = RAW) -> dict[str, Any]:
    """Write a signed event."""
    session = material.session(ACTIVE, signer="enricher-1")
    return writer.write(writer.accept(raw.encode()), session, material.draw("changes"), source="aegis.raw/0/1")


def opened(raw: bytes, reader: Any = READER) -> Opened | Unreadable:  # noqa: ANN401 -- a reader
    """Open one event."""
    (result,) = reader.open_batch([raw])
    return result


def value_at(event: dict[str, Any], place: Place) -> Any:  # noqa: ANN401 -- any JSON value
    """Find the value at a place; None where there is none."""
    node: Any = event
    for token, kind in zip(place.tokens, place.kinds, strict=True):
        try:
            node = node[token] if kind == "m" else node[int(token)]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return node


AUTHENTICATED = [
    *((("_aegis", member)) for member in ("dek", "id", "kem", "set", "src", "by", "sig")),
    *(
        (*path, member)
        for path in (("actor_id",), ("approvals", 0, "signer_id"), ("approvals", 1, "signer_id"))
        for member in ("_algorithm", "_dek_version", "_ciphertext", "_plaintext_hash", "_encrypted_at")
    ),
    ("event_id",),
]


@pytest.mark.parametrize("path", AUTHENTICATED, ids=lambda path: "/".join(map(str, path)))
@settings(max_examples=settings.default.max_examples // 3)  # there are many members
@given(st.data())
def test_any_changed_character_of_an_authenticated_text_is_refused(path: tuple[Any, ...], data: st.DataObject) -> None:
    """Every member of a field, every member of `_aegis` and the event's id: none can be edited unseen."""
    event = signed()
    holder: Any = event
    for step in path[:-1]:
        holder = holder[step]
    changed = spoil_text(data, holder[path[-1]])
    assume(changed != holder[path[-1]])
    holder[path[-1]] = changed
    assert isinstance(opened(writer.compact(event)), Unreadable)


@pytest.mark.parametrize("member", ["_ciphertext", "kem", "sig"])
def test_every_single_bit_of_a_blob_is_authenticated(member: str) -> None:
    """Not a sample: each byte of ciphertext, encapsulation and signature, one bit each, is refused."""
    from tests.support.second_decoder.frames import b64, unb64  # noqa: PLC0415 -- used here alone

    event = signed()
    holder = event["actor_id"] if member == "_ciphertext" else event["_aegis"]
    blob = unb64(holder[member]) or b""
    survived = []
    for at in range(len(blob)):
        holder[member] = b64(blob[:at] + bytes([blob[at] ^ (1 << at % 8)]) + blob[at + 1 :])
        if isinstance(opened(writer.compact(event)), Opened):
            survived.append(at)
    assert survived == []


@given(st.data(), EVENTS)
def test_changed_bytes_never_change_a_decrypted_value(data: st.DataObject, event: dict[str, Any]) -> None:
    """Public members are not authenticated; what was encrypted comes back as it was, or nothing comes back."""
    encrypted = writer.write(event, material.session(BARE), material.draw("public"))
    result = opened(spoil_bytes(data, writer.compact(encrypted)), BARE_READER)
    if isinstance(result, Opened):
        for place, value in policy.outermost(event, policy.DEFAULT):
            assert repr(value_at(result.event, place)) == repr(value)


@given(st.data(), EVENTS)
def test_removed_or_moved_fields_are_refused(data: st.DataObject, event: dict[str, Any]) -> None:
    """Swaps within an event, between events, and removals."""
    fields = [place for place, _ in policy.outermost(event, policy.DEFAULT)]
    assume(fields)
    encrypted = writer.write(event, material.session(BARE), material.draw("moved"))
    other = writer.write(event, material.session(BARE), material.draw("moved to another"))
    place = data.draw(st.sampled_from(fields))
    holder = value_at(encrypted, place._replace(tokens=place.tokens[:-1], kinds=place.kinds[:-1]))
    key: Any = place.tokens[-1] if place.kinds[-1] == "m" else int(place.tokens[-1])
    source = data.draw(st.sampled_from([*fields, None]))
    if source is None:
        del holder[key]
    else:
        holder[key] = value_at(other, source)
    assert isinstance(opened(writer.compact(encrypted), BARE_READER), Unreadable)


@given(EVENTS, st.sampled_from((None, 1, "\t")))
def test_spelling_of_the_document_is_free(event: dict[str, Any], indent: int | str | None) -> None:
    """White space and escapes may change on the way; the event stays the same."""
    encrypted = writer.write(event, material.session(BARE), material.draw("spelling"))
    raw = json.dumps(encrypted, ensure_ascii=True, indent=indent).encode()
    result = opened(b" \r\n" + raw + b"\t", BARE_READER)
    assert isinstance(result, Opened)
    assert orjson.dumps(result.event) == orjson.dumps(event)

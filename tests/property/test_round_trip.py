"""Any JSON event comes back as it was, whoever wrote it and whoever reads it."""

from __future__ import annotations

import copy
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.encryption import Opened, PIIEncryptor, Protected, SingleDek
from aegis_stream.pii import Policy
from aegis_stream.wire import b64decode
from tests.support import vectors
from tests.support.readers import by_library, by_second, exact
from tests.support.second_decoder import policy as second_policy
from tests.support.second_decoder import writer
from tests.support.second_decoder.reader import Keys, ReadingKey
from tests.support.strategies import EVENTS, POLICIES, VALUES
from tests.support.vector_keys import ENGINES, EveryEngine, private_key
from tests.vectors.generator import material

BARE = "dek-v1-20260101"


def library_reader(policy: dict[str, Any]) -> EveryEngine:
    """Make a library reader under a policy."""
    key = private_key(BARE)
    source = SingleDek(
        dek_version=BARE,
        public_key=key.public,
        decapsulate=key.decapsulate,
        policy=Policy.from_json(policy),
    )
    return EveryEngine(source)


def library_writer(policy: dict[str, Any], engine: str = "python") -> PIIEncryptor:
    """Make a library writer under a policy."""
    made = Policy.from_json(policy)
    return PIIEncryptor(public_key=private_key(BARE).public, dek_version=BARE, policy=made, engine=engine)


def second_keys(policy: dict[str, Any]) -> Keys:
    """Make the second decoder's keys under a policy."""
    key = ReadingKey(vectors.private(BARE), vectors.public(BARE), second_policy.Policy.make(policy), signed=None)
    return Keys(lambda version: key if version == BARE else "dek-unknown", lambda *_: "signer-unknown")


@given(EVENTS, POLICIES, st.sampled_from(ENGINES))
def test_what_the_library_writes_both_readers_read(event: dict[str, Any], policy: dict[str, Any], engine: str) -> None:
    """Values, types, names and order survive, and the second reader finds nothing sensitive left in the clear."""
    raw = orjson.dumps(event)
    (result,) = library_writer(policy, engine).protect_batch([raw], sources=["aegis.raw/1/2"])
    assert isinstance(result, Protected)
    for verdict in (by_library(library_reader(policy), result.value), by_second(second_keys(policy), result.value)):
        assert (verdict.reason, verdict.event, verdict.source) == ("", exact(event), "aegis.raw/1/2")


@given(VALUES, st.sampled_from(ENGINES))
def test_only_strings_show_their_length(value: Any, engine: str) -> None:  # noqa: ANN401 -- any JSON value
    """All but strings are padded to 16 bytes, so that true, false, null and small numbers look alike."""
    writer_under_test = library_writer(material.POLICIES["default"], engine)
    (result,) = writer_under_test.protect_batch([orjson.dumps({"actor_id": value})])
    assert isinstance(result, Protected)
    blob = b64decode(orjson.loads(result.value)["actor_id"]["_ciphertext"])
    assert blob[:2] == (b"\x11s" if isinstance(value, str) else b"\x11j")
    size = len(blob) - 30
    assert size == len(value.encode()) if isinstance(value, str) else size % 16 == 0


@given(EVENTS, POLICIES, st.sampled_from((None, "aegis.raw/0/0")))
def test_what_the_second_writer_writes_the_library_reads(
    event: dict[str, Any], policy: dict[str, Any], source: str | None
) -> None:
    """A writer in another language needs no more than the text of the format."""
    encrypted = writer.write(
        writer.accept(writer.compact(event)),
        material.session(BARE),
        material.draw("property"),
        policy=second_policy.Policy.make(policy),
        source=source,
    )
    verdict = by_library(library_reader(policy), writer.compact(encrypted))
    assert (verdict.reason, verdict.event, verdict.source) == ("", exact(event), source)


@given(EVENTS, POLICIES)
def test_the_call_on_a_dict_is_the_batch_and_changes_nothing(event: dict[str, Any], policy: dict[str, Any]) -> None:
    """The guide's simple door: dict in, new dict out, the one given untouched, on both sides."""
    given_event = copy.deepcopy(event)
    protected = library_writer(policy)(given_event)
    assert exact(given_event) == exact(event)
    kept = copy.deepcopy(protected)
    assert exact(library_reader(policy)(protected)) == exact(event)
    assert protected == kept


@given(st.lists(EVENTS, max_size=5), st.sampled_from(ENGINES))
def test_a_batch_keeps_its_order(events: list[dict[str, Any]], engine: str) -> None:
    """One result an input, in order: offsets are committed by position."""
    policy = material.POLICIES["default"]
    sources = [f"aegis.raw/0/{offset}" for offset in range(len(events))]
    results = library_writer(policy, engine).protect_batch([orjson.dumps(event) for event in events], sources=sources)
    values = [result.value for result in results if isinstance(result, Protected)]
    assert len(values) == len(events)
    opened = library_reader(policy).open_batch(values)
    assert [exact(one.event) for one in opened if isinstance(one, Opened)] == [exact(event) for event in events]
    assert [one.source for one in opened if isinstance(one, Opened)] == sources

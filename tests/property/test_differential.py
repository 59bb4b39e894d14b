"""Two readers and two writers of one text: the same verdict on everything, with the same reason and path."""

from __future__ import annotations

import copy
import json
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from aegis_stream.encryption import Protected, Rejected
from aegis_stream.errors import PolicyError, WriteReason
from aegis_stream.pii import Classifier, Policy
from tests.property.test_round_trip import BARE, library_reader, library_writer, second_keys
from tests.support import vectors
from tests.support.readers import Verdict, by_library, by_second
from tests.support.second_decoder import json_text, policy, writer
from tests.support.second_decoder.reader import RefusedError
from tests.support.strategies import EVENTS, POLICIES, VALUES, spelled, spoil, spoil_bytes
from tests.support.vector_keys import ENGINES, decryptor
from tests.vectors.generator import material

DOCUMENT = {"not-json", "too-deep", "number"}
KEYRINGS = {
    "bare": [material.BARE, material.ACTIVE],
    "deployment": [material.ACTIVE, material.OLD, material.UNSIGNED, material.REVOKED],
}
LIBRARY = {keyring: decryptor(keyring) for keyring in KEYRINGS}
SIGNERS = st.sampled_from((None, "enricher-1", "enricher-2", "enricher-3"))
DEFAULT = material.POLICIES["default"]


def faults(raw: bytes) -> set[str]:
    """List what step 1 finds wrong; the text gives no order within it, so any of them may be told."""
    try:
        value = json_text.parse(raw)
    except json_text.NotJsonError:
        # What cannot be parsed has no depth and no numbers: a reader from the left may stumble over either first.
        return DOCUMENT
    found = set() if isinstance(value, dict) else {"not-json"}
    found |= {"too-deep"} if json_text.depth(value) > 64 else set()
    return found | ({"number"} if json_text.bad_number(value) else set())


def agree(library: Verdict, second: Verdict, raw: bytes) -> None:
    """Hold two verdicts against each other."""
    if second.reason in DOCUMENT:
        assert library.reason in faults(raw)
        assert library.path == ""
    else:
        assert library == second


@given(st.data(), EVENTS, SIGNERS)
def test_readers_agree_on_spoiled_events(data: st.DataObject, event: dict[str, Any], signer: str | None) -> None:
    """Members set, moved, swapped, renamed, copied: the two readers stop at the same rule of the same path."""
    keyring = data.draw(st.sampled_from(sorted(KEYRINGS)))
    version = data.draw(st.sampled_from(KEYRINGS[keyring]))
    chosen = material.policy("wide" if version == material.OLD else "default")
    source = data.draw(st.sampled_from((None, "aegis.raw/0/1")))
    session = material.session(version, signer=signer)
    encrypted = writer.write(event, session, material.draw("spoil"), policy=chosen, source=source)
    spoil(data, encrypted)
    raw = json.dumps(encrypted, ensure_ascii=data.draw(st.booleans())).encode()
    agree(by_library(LIBRARY[keyring], raw), by_second(vectors.keys(keyring), raw), raw)


@given(st.data(), EVENTS)
def test_readers_agree_on_spoiled_bytes(data: st.DataObject, event: dict[str, Any]) -> None:
    """The same on the level of bytes, where documents stop being JSON, or mean something else."""
    encrypted = writer.write(event, material.session(BARE), material.draw("bytes"), source="aegis.raw/0/1")
    raw = spoil_bytes(data, writer.compact(encrypted))
    agree(by_library(LIBRARY["bare"], raw), by_second(vectors.keys("bare"), raw), raw)


@given(VALUES, st.sampled_from("sj"), st.binary(max_size=24))
def test_readers_agree_on_plaintexts(value: Any, kind: str, noise: bytes) -> None:  # noqa: ANN401 -- any JSON value
    """What a holder of the session's key may put under a tag: any bytes, or any JSON under any type."""
    for plaintext in (noise, writer.compact(value), writer.compact(value) + noise, b" \t" + writer.compact([value])):

        def edit(draft: writer.Draft, plaintext: bytes = plaintext) -> writer.Draft:
            return draft._replace(kind=ord(kind), plaintext=plaintext)

        encrypted = writer.write({"actor_id": 1}, material.session(BARE), material.draw("plain"), edit=edit)
        raw = writer.compact(encrypted)
        assert by_library(LIBRARY["bare"], raw) == by_second(vectors.keys("bare"), raw)


@given(st.data(), EVENTS, POLICIES)
def test_writers_agree_on_spellings_and_spoiled_bytes(
    data: st.DataObject, event: dict[str, Any], chosen: dict[str, Any]
) -> None:
    """The two writers take and refuse the same raw events, and what they take reads back alike."""
    raw = spelled(data, event, duplicates=data.draw(st.booleans())).encode()
    if data.draw(st.booleans()):
        raw = spoil_bytes(data, raw)
    engine = data.draw(st.sampled_from(ENGINES))
    (result,) = library_writer(chosen, engine).protect_batch([raw])
    accepted, refused = second_verdict(raw)
    if refused is None and not json_text.has_duplicate(raw):
        assert isinstance(result, Protected)
        expected = Verdict(event=repr(accepted))
        assert by_second(second_keys(chosen), result.value) == expected
        assert by_library(library_reader(chosen), result.value) == expected
        return
    assert isinstance(result, Rejected)
    if refused is None:
        # The number of a copy that was dropped may be judged as well.
        assert result.reason in {WriteReason.DUPLICATE, WriteReason.NUMBER}
    elif refused.reason in DOCUMENT:
        assert result.reason in faults(raw)
    elif not json_text.has_duplicate(raw):
        assert (str(result.reason), result.path) == (refused.reason, refused.path)


def second_verdict(raw: bytes) -> tuple[dict[str, object], None] | tuple[None, RefusedError]:
    """Ask the second writer: the event that it takes, or its refusal."""
    try:
        return writer.accept(raw), None
    except RefusedError as error:
        return None, error


@given(EVENTS, POLICIES)
def test_classifiers_agree(event: dict[str, Any], chosen: dict[str, Any]) -> None:
    """Names, pointers, stars, exclusions and imitations: both find the same places in the same order."""
    places = [place.pointer for place, _ in policy.outermost(copy.deepcopy(event), policy.Policy.make(chosen))]
    survey = Classifier(Policy.from_json(chosen)).survey(orjson.loads(orjson.dumps(event)), 64)
    assert [target[3].path for target in survey.targets] == places


@given(
    st.dictionaries(
        st.sampled_from(("id", "names", "pointers", "exclude", "more")),
        st.one_of(
            st.text(max_size=3), st.lists(st.text("/~01ab*", max_size=5) | st.integers(0, 1), max_size=3), st.none()
        ),
        max_size=5,
    )
)
def test_policies_agree(text: dict[str, Any]) -> None:
    """A policy is understood by both or refused by both."""
    if text.get("id") == "":
        return  # an empty id is the library's own rule: the manifest names policies by it
    try:
        policy.Policy.make(text)
    except policy.BadPolicyError:
        good = False
    else:
        good = True
    try:
        Policy.from_json(text)
    except PolicyError:
        assert not good
    else:
        assert good

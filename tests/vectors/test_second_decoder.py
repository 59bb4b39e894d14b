"""The second decoder against every frozen vector, and the files against their generator."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from tests.support import vectors
from tests.support.second_decoder import frames, json_text, policy, reader, records, schedule, writer, xwing
from tests.support.second_decoder.records import Where
from tests.vectors.generator.files import FOLDER, made

EVENTS = vectors.cases("events")
BAD_EVENTS = vectors.cases("bad_events")
BAD_INPUT = vectors.cases("bad_input")


def where(case: dict[str, Any]) -> Where:
    """Read what a sealed record is bound to."""
    return Where(case["topic"], case["partition"], case["offset"], case["reason"])


def test_files_are_what_the_generator_makes() -> None:
    """A vector edited by hand, or a second writer changed after the freeze, must show."""
    stale = [name for name, text in made().items() if (FOLDER / name).read_text(encoding="utf-8") != text]
    assert stale == []


def test_published_xwing_vectors_are_unchanged() -> None:
    """The one file that others made is proof only while it is theirs."""
    digest = hashlib.sha256((FOLDER / "xwing.json").read_bytes()).hexdigest()
    assert digest == "409efe197550b22985b4a0419418a0c5f2c2b193426c55bd998399ec8d3e614d"


@pytest.mark.parametrize("index", range(3))
def test_xwing_reproduces_the_published_vectors(index: int) -> None:
    """Seed to keys, eseed to encapsulation and secret, and back: the reference itself must be X-Wing."""
    published = {name: bytes.fromhex(text) for name, text in vectors.load("xwing")[index].items()}
    pair = xwing.expand(published["seed"])
    assert pair.public == published["pk"]
    assert published["sk"] == published["seed"]
    assert xwing.encapsulate(pair.public, published["eseed"]) == (published["ct"], published["ss"])
    assert xwing.decapsulate(pair.private, published["ct"]) == published["ss"]
    xwing.check_public(pair.public)
    xwing.check_private(pair.private, pair.public)


def test_hybrid_kem_vectors() -> None:
    """Expanded keys have no published vectors: ours follow from the published construction."""
    content = vectors.load("hybrid_kem")
    for case in content["encapsulations"] + content["implicit_rejections"]:
        encapsulation = base64.b64decode(case["encapsulation"])
        assert xwing.decapsulate(vectors.private(case["pair"]), encapsulation).hex() == case["shared"]


@pytest.mark.parametrize("name", EVENTS)
def test_event_opens(name: str) -> None:
    """What the second writer wrote, the second reader reads."""
    case = EVENTS[name]
    opened = reader.read(vectors.restore(case["encrypted"]), vectors.keys(case["keyring"]))
    raw = json_text.parse(vectors.restore(case["raw"]))
    assert (opened.dek_version, opened.source) == (case["dek_version"], case["source"])
    assert repr(opened.event) == repr(raw) or name == "members-turned"
    assert opened.event == raw


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_bad_event_is_refused_for_its_reason(name: str) -> None:
    """Each rule of the format refuses what it was made for, and says so."""
    case = BAD_EVENTS[name]
    with pytest.raises(reader.RefusedError) as caught:
        reader.read(vectors.restore(case["raw"]), vectors.keys(case["keyring"]))
    assert (caught.value.reason, caught.value.path) == (case["reason"], vectors.restore(case["path"]).decode())


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_judged(name: str) -> None:
    """The writer's rules, on the same cases that the library's writer sees."""
    case = BAD_INPUT[name]
    session = writer.open_session(vectors.public("dek-v1-20260101"), "dek-v1-20260101", b"\1" * 64)
    draw = writer.Draw(b"\2" * 16, lambda index: index.to_bytes(12, "big"), "2026-01-01T00:00:00Z")
    raw = vectors.restore(case["raw"])
    if case["outcome"] == "refused":
        with pytest.raises(reader.RefusedError) as caught:
            writer.write(writer.accept(raw), session, draw)
        assert (caught.value.reason, caught.value.path) == (case["reason"], vectors.restore(case["path"]).decode())
        return
    encrypted = writer.compact(writer.write(writer.accept(raw), session, draw))
    assert reader.read(encrypted, vectors.keys("bare")).event == json_text.parse(raw)


def test_schedule_vector() -> None:
    """The worked example holds every value on the way, so that a new implementation finds its first wrong byte."""
    case = vectors.load("schedule")
    version, public = case["dek_version"], vectors.public(case["dek_version"])
    session = schedule.derive(bytes.fromhex(case["shared_secret"]), version, public, case["by"])
    assert [part.hex() for part in session] == [case["field_key"], case["commitment_key"], case["set_key"]]
    opened = reader.read(case["encrypted"].encode(), vectors.keys("deployment"))
    assert opened.event == json_text.parse(case["raw"].encode())


def test_policies_find_what_they_should() -> None:
    """The outermost sensitive values, in document order."""
    content = vectors.load("policies")
    known = vectors.load("keyrings")["policies"]
    for case in content["found"]:
        event = json_text.parse(case["event"].encode())
        assert isinstance(event, dict)
        found = policy.outermost(dict(event), policy.Policy.make(known[case["policy"]]))
        assert [place.pointer for place, _ in found] == case["encrypted"], case["name"]
    for case in content["refused"]:
        with pytest.raises(policy.BadPolicyError):
            policy.Policy.make(case["policy"])


def test_wrapped_deks() -> None:
    """A wrap opens under its own KEK, version and public key, and under nothing else."""
    content = vectors.load("wrapped_deks")
    for case in content["wrapped"]:
        kek = xwing.Pair(vectors.private(case["kek"]), vectors.public(case["kek"]))
        assert case["kek_id"] == frames.kek_id(kek.public)
        wrapped = base64.b64decode(case["wrapped"])
        unwrapped = records.unwrap(wrapped, case["dek_version"], vectors.public(case["dek"]), kek)
        assert unwrapped == vectors.private(case["dek"])
    for case in content["refused"] + content["mismatched"]:
        kek = xwing.Pair(vectors.private(case["kek"]), vectors.public(case["kek"]))
        with pytest.raises(records.BadRecordError):
            records.unwrap(base64.b64decode(case["wrapped"]), case["dek_version"], vectors.public(case["dek"]), kek)


def test_sealed_records() -> None:
    """A sealed record opens with all it is bound to, and absent stays different from empty."""
    content = vectors.load("sealed_records")
    for case in content["sealed"]:
        pair = xwing.Pair(vectors.private(case["dek"]), vectors.public(case["dek"]))
        record = records.open_sealed(base64.b64decode(case["sealed"]), case["dek_version"], where(case), pair)
        kept = [None if part is None else frames.b64(part) for part in (record.key, record.value)]
        assert kept == [case["key"], case["value"]]
        headers = [[header, None if value is None else frames.b64(value)] for header, value in record.headers]
        assert headers == case["headers"]
    for case in content["refused"]:
        pair = xwing.Pair(vectors.private(case["dek"]), vectors.public(case["dek"]))
        with pytest.raises(records.BadRecordError):
            records.open_sealed(base64.b64decode(case["sealed"]), case["dek_version"], where(case), pair)

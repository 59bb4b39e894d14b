"""The library against every frozen vector: outcome, reason and path."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from aegis_stream.encryption import Opened, PIIEncryptor, Protected, Rejected, Unreadable
from aegis_stream.errors import KeyReason, KeyRefusedError, PolicyError, ReadReason, TooLongError, WriteReason
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey, HybridPublicKey
from aegis_stream.pii import PII_FIELDS, Classifier, Policy
from aegis_stream.sealing import SourceRecord, open_record
from aegis_stream.wire import DekVersion, b64decode, kek_id, lp, lp32
from aegis_stream.wrapping import unwrap_dek
from tests.support import vectors
from tests.support.second_decoder import xwing
from tests.support.vector_keys import ENGINES, EveryEngine, decryptor, private_key

BARE = "dek-v1-20260101"
EVENTS = vectors.cases("events")
BAD_EVENTS = vectors.cases("bad_events")
BAD_INPUT = vectors.cases("bad_input")
WRITERS = {engine: PIIEncryptor(public_key=vectors.public(BARE), dek_version=BARE, engine=engine) for engine in ENGINES}
READERS = {name: decryptor(name) for name in vectors.load("keyrings")["keyrings"]}
# The rule about rewound sources is the consumer's: no event shows it by itself.
NOT_OF_ONE_EVENT = {ReadReason.SOURCE_REWOUND}
# What the output topic takes is a setting, a duplicate may be written instead, and a null value never is an event.
NOT_OF_THE_INPUT = {WriteReason.TOO_LARGE, WriteReason.DUPLICATE, WriteReason.NO_VALUE}


class Kek:
    """What unwrapping needs of a KEK, over a named pair."""

    def __init__(self, pair: str) -> None:
        """Take a named pair."""
        self._key = private_key(pair)
        self.decapsulate = self._key.decapsulate

    def get_public_key(self) -> bytes:
        """Return the pair's public key."""
        return self._key.public


def read(reader: EveryEngine, raw: bytes) -> Opened | Unreadable:
    """Open one event."""
    (result,) = reader.open_batch([raw])
    return result


@pytest.mark.parametrize("name", EVENTS)
def test_event_opens(name: str) -> None:
    """What a foreign writer encrypts after the format, the library reads, names and order included."""
    case = EVENTS[name]
    result = read(READERS[case["keyring"]], vectors.restore(case["encrypted"]))
    assert isinstance(result, Opened)
    raw = orjson.loads(vectors.restore(case["raw"]))
    assert result == Opened(raw, case["dek_version"], case["source"])
    assert name == "members-turned" or orjson.dumps(result.event) == orjson.dumps(raw)


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_bad_event_is_refused_for_its_reason(name: str) -> None:
    """The reason and path are part of the contract: dead letters, metrics and operators live on them."""
    case = BAD_EVENTS[name]
    result = read(READERS[case["keyring"]], vectors.restore(case["raw"]))
    assert isinstance(result, Unreadable)
    assert (result.reason, result.path) == (case["reason"], vectors.restore(case["path"]).decode())


def test_a_fresh_reader_judges_as_a_used_one() -> None:
    """The cache of sessions must not change a verdict: each bad event is the first that its reader sees."""
    differ = []
    for name, case in BAD_EVENTS.items():
        raw = vectors.restore(case["raw"])
        result = read(decryptor(case["keyring"]), raw)
        if isinstance(result, Opened) or (result.reason, result.path) != (
            case["reason"],
            vectors.restore(case["path"]).decode(),
        ):
            differ.append(name)
    assert differ == []


def test_a_reader_in_the_midst_of_the_session_judges_as_a_fresh_one() -> None:
    """Events of the session before take a short way; it may not let through what the rules refuse."""
    sound = {
        (case["keyring"], session_of(raw)): raw
        for case in EVENTS.values()
        if session_of(raw := vectors.restore(case["encrypted"]))
    }
    differ, compared = [], 0
    for name, case in BAD_EVENTS.items():
        raw = vectors.restore(case["raw"])
        before = sound.get((case["keyring"], session_of(raw)))
        if before is None:
            continue
        compared += 1
        first, result = decryptor(case["keyring"]).open_batch([before, raw])
        assert isinstance(first, Opened)
        expected = (case["reason"], vectors.restore(case["path"]).decode())
        if isinstance(result, Opened) or (result.reason, result.path) != expected:
            differ.append(name)
    assert differ == []
    assert compared >= len(BAD_EVENTS) // 2


def session_of(raw: bytes) -> tuple[str, ...] | None:
    """Return dek, kem, by and sig of an event, None where it has none that is well-formed."""
    try:
        head = orjson.loads(raw)["_aegis"]
        texts = (head["dek"], head["kem"], head.get("by", ""), head.get("sig", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    return texts if all(isinstance(text, str) for text in texts) else None


def test_every_reason_of_a_reader_has_a_vector() -> None:
    """A reason without a case would be a rule that nobody has seen refuse anything."""
    assert {case["reason"] for case in BAD_EVENTS.values()} == set(ReadReason) - NOT_OF_ONE_EVENT


def test_every_reason_of_a_writer_has_a_vector() -> None:
    """The same for raw events."""
    reasons = {case["reason"] for case in BAD_INPUT.values() if "reason" in case}
    assert reasons == set(WriteReason) - NOT_OF_THE_INPUT


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_judged(name: str, engine: str) -> None:
    """Bad input is refused for its reason; odd but good input is protected and comes back."""
    case = BAD_INPUT[name]
    raw = vectors.restore(case["raw"])
    (result,) = WRITERS[engine].protect_batch([raw])
    if case["outcome"] == "refused":
        assert result == Rejected(WriteReason(case["reason"]), vectors.restore(case["path"]).decode())
        return
    if case["outcome"] == "refused-or-last":
        assert result == Rejected(WriteReason.DUPLICATE)
        return
    assert isinstance(result, Protected)
    opened = read(READERS["bare"], result.value)
    assert isinstance(opened, Opened)
    assert opened.event == orjson.loads(raw)


def test_schedule_vector_opens() -> None:
    """The worked example of docs/wire-format.md is an event like any other."""
    case = vectors.load("schedule")
    result = read(READERS["deployment"], case["encrypted"].encode())
    assert isinstance(result, Opened)
    assert result.event == orjson.loads(case["raw"])


def test_policies_find_what_they_should() -> None:
    """The classifier finds the pointers that the second reading of the text finds, in document order."""
    content = vectors.load("policies")
    known = vectors.load("keyrings")["policies"]
    for case in content["found"]:
        survey = Classifier(Policy.from_json(known[case["policy"]])).survey(orjson.loads(case["event"]), 64)
        assert [target[3].path for target in survey.targets] == case["encrypted"], case["name"]
    assert list(PII_FIELDS) == content["twelve"]


@pytest.mark.parametrize("name", vectors.cases("policies", "refused"))
def test_malformed_policy_is_refused(name: str) -> None:
    """A policy that is half understood would leave a field in the clear."""
    with pytest.raises(PolicyError):
        Policy.from_json(vectors.cases("policies", "refused")[name]["policy"])


def test_hybrid_kem_vectors() -> None:
    """Expanded keys and encapsulations of the second implementation give the same secrets."""
    content = vectors.load("hybrid_kem")
    for case in content["encapsulations"] + content["implicit_rejections"]:
        encapsulation = base64.b64decode(case["encapsulation"])
        assert HybridKEM.decapsulate(vectors.private(case["pair"]), encapsulation).hex() == case["shared"]
    for name, pair in vectors.load("keyrings")["pairs"].items():
        assert private_key(name).public == base64.b64decode(pair["public"])
        assert kek_id(vectors.public(name)) == pair["kek_id"]


@pytest.mark.parametrize("index", range(3))
def test_published_xwing_vectors(index: int) -> None:
    """The published encapsulations open with the expanded keys that the published seeds give."""
    published = {name: bytes.fromhex(text) for name, text in vectors.load("xwing")[index].items()}
    key = HybridPrivateKey.from_bytes(xwing.expand(published["seed"]).private, public=published["pk"])
    assert key.decapsulate(published["ct"]) == published["ss"]


def refusal(call: Any) -> str:  # noqa: ANN401 -- any callable without arguments
    """Give the reason with which a call refuses a key."""
    with pytest.raises(KeyRefusedError) as caught:
        call()
    return caught.value.reason


def test_bad_keys_are_refused_for_their_reason() -> None:
    """Lengths, the modulus check, low order, inconsistency and mismatch each have a name."""
    content = vectors.load("hybrid_kem")
    for case in content["refused_public_keys"]:
        raw = base64.b64decode(case["public"])
        assert refusal(lambda raw=raw: HybridPublicKey.from_bytes(raw)) == case["reason"], case["name"]
    for case in content["refused_private_keys"]:
        raw, public = base64.b64decode(case["private"]), base64.b64decode(case["public"] or "") or None
        assert refusal(lambda raw=raw, public=public: HybridPrivateKey.from_bytes(raw, public=public)) == case["reason"]
    for case in content["refused_encapsulations"]:
        raw = base64.b64decode(case["encapsulation"])
        assert refusal(lambda raw=raw: private_key(BARE).decapsulate(raw)) == KeyReason.ENCAPSULATION, case["name"]


def test_wrapped_deks() -> None:
    """Wraps of the second implementation unwrap; changed or misplaced ones do not, and say why."""
    content = vectors.load("wrapped_deks")
    for case in content["wrapped"] + content["refused"] + content["mismatched"]:

        def unwrap(case: dict[str, Any] = case) -> HybridPrivateKey:
            wrapped, public = base64.b64decode(case["wrapped"]), vectors.public(case["dek"])
            return unwrap_dek(wrapped, dek_version=case["dek_version"], dek_public_key=public, kek=Kek(case["kek"]))

        if case in content["wrapped"]:
            assert unwrap().export() == vectors.private(case["dek"])
        elif case in content["mismatched"]:
            assert refusal(unwrap) == KeyReason.MISMATCH
        else:
            assert refusal(unwrap) in {KeyReason.LENGTH, KeyReason.UNWRAP, KeyReason.ENCAPSULATION}


def test_sealed_records() -> None:
    """Sealed records of the second implementation open; changed or misplaced ones do not."""
    content = vectors.load("sealed_records")
    for case in content["sealed"] + content["refused"]:

        def unseal(case: dict[str, Any] = case) -> list[Any]:
            record = open_record(
                base64.b64decode(case["sealed"]),
                decapsulate=private_key(case["dek"]).decapsulate,
                dek_public_key=vectors.public(case["dek"]),
                dek_version=case["dek_version"],
                source=SourceRecord(case["topic"], case["partition"], case["offset"]),
                reason=case["reason"],
            )
            return [record.key, record.value, *[part for header in record.headers for part in header]]

        if "key" in case:
            kept = [case["key"], case["value"], *[part for header in case["headers"] for part in header]]
            shown = [base64.b64encode(part).decode() if isinstance(part, bytes) else part for part in unseal()]
            assert shown == kept, case["name"]
        else:
            assert refusal(unseal) in {KeyReason.UNWRAP, KeyReason.ENCAPSULATION}, case["name"]


def test_grammars() -> None:
    """DEK versions, base64 and the length prefixes, on texts that are nearly right."""
    content = vectors.load("texts")
    for text in content["dek_versions"]["good"]:
        assert DekVersion.parse(text).text == text
    for text in content["dek_versions"]["bad"]:
        assert refusal(lambda text=text: DekVersion.parse(text)) == KeyReason.DEK_VERSION
    for text in content["base64"]["good"]:
        assert base64.b64encode(b64decode(text)).decode() == text
    for text in content["base64"]["bad"]:
        assert refusal(lambda text=text: b64decode(text)) == KeyReason.ENCODING, text
    for case in content["lp"]:
        assert lp(b"x" * case["bytes"])[:2].hex() == case["prefix"]
    for case in content["lp32"]:
        assert lp32(b"x" * case["bytes"])[:4].hex() == case["prefix"]
    assert lp32(None).hex() == content["lp32_absent"]
    for size in content["lp_refused_bytes"]:
        with pytest.raises(TooLongError):
            lp(b"x" * size)

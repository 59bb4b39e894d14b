"""Writer and reader through their public doors: values, sessions, signatures, and what neither may do."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
from typing import Any

import orjson
import pytest

import aegis_stream
from aegis_stream.encryption import (
    DekSource,
    Opened,
    PIIDecryptor,
    PIIEncryptor,
    Protected,
    ReadingKey,
    Rejected,
    SingleDek,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import (
    ConfigurationError,
    EventRefusedError,
    EventUnreadableError,
    KeyRefusedError,
    ReadReason,
    WriteReason,
)
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from aegis_stream.pii import PII_FIELDS, Policy
from aegis_stream.session import SessionLimits
from aegis_stream.session_signer import SessionSigner

PAIR = HybridKEM.generate_keypair()
PRIVATE = HybridPrivateKey.from_bytes(PAIR.private)
VERSION = "dek-v1-20260101"
EVENT: dict[str, Any] = {
    "event_id": "e-1",
    "kind": "proposal",
    "actor_id": "alice",
    "nested": [{"signer_id": 7, "open": True}],
    "workflow_id": None,
}


def enricher(**options: Any) -> PIIEncryptor:  # noqa: ANN401
    """Make an encryptor for the file's key."""
    return PIIEncryptor(public_key=PAIR.public, dek_version=VERSION, **options)


def decryptor(**options: Any) -> PIIDecryptor:  # noqa: ANN401
    """Make a decryptor for the file's key."""
    return create_pii_decryptor(private_key=PAIR.private, dek_version=VERSION, **options)


def protect(event: dict[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Protect one event."""
    return enricher(**options)(event)


VALUES = [
    "text",
    "",
    "äöü \U0001f600",
    0,
    -1,
    2**64 - 1,
    -(2**63),
    1.5,
    1e300,
    True,
    False,
    None,
    [],
    {},
    [1, [None]],
    {"a": 1},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_every_kind_of_value_comes_back_with_its_type(value: object) -> None:
    """A reader's code must not see that a field was ever encrypted."""
    protected = protect({"actor_id": value, "other": value})
    assert protected["actor_id"]["_encrypted"] is True
    opened = decryptor()(protected)
    assert opened == {"actor_id": value, "other": value}
    assert type(opened["actor_id"]) is type(value)


def test_the_events_given_are_not_changed() -> None:
    """A producer goes on with its own object."""
    event = copy.deepcopy(EVENT)
    protected = protect(event)
    assert event == EVENT
    kept = copy.deepcopy(protected)
    assert decryptor()(protected) == EVENT
    assert protected == kept


def test_members_keep_their_order() -> None:
    """People and diffs read events."""
    protected = protect(EVENT)
    assert [name for name in protected if name != "_aegis"] == list(EVENT)
    assert list(decryptor()(protected)) == list(EVENT)


def test_an_encrypted_field_has_the_six_members_of_the_guide() -> None:
    """Other implementations read them by name."""
    moment = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC).timestamp()
    field = protect(EVENT, now=lambda: moment)["actor_id"]
    assert list(field) == [
        "_encrypted",
        "_algorithm",
        "_dek_version",
        "_ciphertext",
        "_plaintext_hash",
        "_encrypted_at",
    ]
    assert field["_algorithm"] == "x25519+ml-kem-768+aes-256-gcm"
    assert field["_dek_version"] == VERSION
    assert field["_encrypted_at"] == "2026-01-02T03:04:05Z"
    assert base64.b64decode(field["_ciphertext"])[:2] == b"\x11s"


@pytest.mark.parametrize("value", [True, False, None, 1, 12345678901234])
def test_small_values_have_one_length(value: object) -> None:
    """Whether a decision was true or false must not show in a length."""
    assert len(protect({"actor_id": value})["actor_id"]["_ciphertext"]) == 64


def test_equal_values_look_different() -> None:
    """A hash that repeats would tell which events have one actor."""
    one, two = protect({"actor_id": "x"}), protect({"actor_id": "x"})
    assert one["actor_id"]["_plaintext_hash"] != two["actor_id"]["_plaintext_hash"]
    assert one["_aegis"]["id"] != two["_aegis"]["id"]


def test_an_event_without_sensitive_members_is_protected_too() -> None:
    """A reader refuses what has no `_aegis`, so that nobody takes a field away unseen."""
    protected = protect({"kind": "x"})
    assert sorted(protected["_aegis"]) == ["dek", "id", "kem", "set", "v"]
    assert decryptor()(protected) == {"kind": "x"}


def test_a_batch_answers_each_event_in_order() -> None:
    """One bad event never costs its neighbours."""
    results = enricher().protect_batch(
        [b'{"actor_id":1}', b"nonsense", b'{"_aegis":1}'], sources=["t/0/1", "t/0/2", "t/0/3"]
    )
    assert isinstance(results[0], Protected)
    assert results[1:] == [Rejected(WriteReason.NOT_JSON), Rejected(WriteReason.HAS_AEGIS, "/_aegis")]
    assert decryptor().open_batch([results[0].value, b"{}"]) == [
        Opened({"actor_id": 1}, VERSION, "t/0/1"),
        Unreadable(ReadReason.NOT_PROTECTED),
    ]


@pytest.mark.parametrize(
    "sources", [[], ["t/0/1", "t/0/2"], ["t/0"], ["t/0/-1"], ["t/0/01"], ["a b/0/1"], ["t/0/1\n"], ["t/2147483648/1"]]
)
def test_sources_that_do_not_fit_are_refused(sources: list[str]) -> None:
    """A reader would refuse the events, after they were written."""
    with pytest.raises(ConfigurationError):
        enricher().protect_batch([b"{}"], sources=sources)


def test_what_is_larger_than_the_output_topic_takes_is_rejected() -> None:
    """It goes to a dead letter, and the producer is not stopped by the broker."""
    small = enricher(max_output_bytes=3000)
    fits, rejected = small.protect_batch([b'{"actor_id":"x"}', b'{"actor_id":"' + b"x" * 2000 + b'"}'])
    assert isinstance(fits, Protected)
    assert rejected == Rejected(WriteReason.TOO_LARGE)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"a": float("nan")}, WriteReason.NUMBER),
        ({"a": [float("-inf")]}, WriteReason.NUMBER),
        ({"a": 2**64}, WriteReason.NUMBER),
        ({"a": "\ud800"}, WriteReason.NOT_JSON),
        ({1: "a"}, WriteReason.NOT_JSON),
        ({"a": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, WriteReason.NOT_JSON),
        ({"a": {1, 2}}, WriteReason.NOT_JSON),
        ({"a": b"bytes"}, WriteReason.NOT_JSON),
    ],
    ids=repr,
)
def test_values_that_json_does_not_have_are_refused(event: dict[Any, Any], reason: WriteReason) -> None:
    """Turning NaN into null or a date into a text would change the event silently."""
    with pytest.raises(EventRefusedError) as refused:
        enricher()(event)
    assert refused.value.reason == reason


def test_an_endless_event_is_refused() -> None:
    """A cycle must not end in a foreign exception."""
    event: dict[str, Any] = {}
    event["a"] = event
    with pytest.raises(EventRefusedError) as refused:
        enricher()(event)
    assert refused.value.reason == WriteReason.TOO_DEEP


def test_a_session_serves_many_events_and_ends_at_its_limits() -> None:
    """One encapsulation costs as much as an event; its limits hold all the same."""
    writer = enricher(limits=SessionLimits(max_fields=3))
    kems = [writer(EVENT)["_aegis"]["kem"] for _ in range(2)]
    assert kems[0] != kems[1]
    writer = enricher()
    assert len({writer(EVENT)["_aegis"]["kem"] for _ in range(10)}) == 1
    assert writer.stats.sessions == 1


def test_an_event_that_no_session_can_hold_is_rejected() -> None:
    """Rather than encrypted beyond the limits."""
    assert enricher(limits=SessionLimits(max_fields=2)).protect_batch([orjson.dumps(EVENT)]) == [
        Rejected(WriteReason.TOO_LARGE)
    ]


def test_an_old_session_is_replaced() -> None:
    """Also when events come rarely."""
    clock = [0.0]
    writer = enricher(clock=lambda: clock[0])
    first = writer(EVENT)["_aegis"]["kem"]
    clock[0] = 3600.0
    assert writer(EVENT)["_aegis"]["kem"] != first


def test_counts_name_fields_and_reasons() -> None:
    """They feed the metrics; spellings that a producer chose stay out."""
    writer = enricher(policy=Policy(pointers=("/x",)))
    writer.protect_batch([b'{"actorId":1,"x":{"_encrypted":1},"y":{"_ciphertext":1}}'] * 2 + [b"", b"{"])
    assert writer.stats.fields == {"actor_id": 2, "pointer": 2, "_encrypted": 2}
    assert writer.stats.rejected == {"not-json": 2}
    assert (writer.stats.events, writer.stats.batches) == (2, 1)
    assert writer.stats.priority("actor_id") == "high"
    assert writer.stats.priority("pointer") == "custom"


def test_counts_survive_many_shapes() -> None:
    """Shapes are forgotten within a bound; what they counted is not."""
    writer = enricher()
    writer.protect_batch([b'{"n%d":{"actor_id":1}}' % number for number in range(1500)])
    assert writer.stats.fields == {"actor_id": 1500}
    assert len(writer.stats._shapes) <= 1024


def test_sensitive_strings_are_given_where_they_are_asked_for() -> None:
    """Keys and headers are guarded with them."""
    raw = orjson.dumps(
        {"actor_id": "alice", "signer_id": "bob", "decision_actor": {"role1": ["carol", 1]}, "kind": "clear"}
    )
    (result,) = enricher().protect_batch([raw], collect_sensitive=True)
    assert isinstance(result, Protected)
    assert result.sensitive == {"alice", "role1", "carol"}
    assert "alice" not in repr(result)


def test_a_sensitive_event_id_is_encrypted_and_bound_as_hidden() -> None:
    """What is no public string cannot be part of the public binding."""
    policy = Policy(names=("event_id",))
    protected = protect(EVENT, policy=policy)
    assert protected["event_id"]["_encrypted"] is True
    assert decryptor(policy=policy)(protected) == EVENT
    pointed = Policy(pointers=("/event_id",))
    assert decryptor(policy=pointed)(protect(EVENT, policy=pointed)) == EVENT


@pytest.mark.parametrize("event_id", ["", "x" * 65_535, 7, None, ["a"]], ids=lambda value: repr(value)[:12])
def test_any_event_id_goes_round(event_id: object) -> None:
    """Empty, at the limit of its prefix, or no string at all."""
    event = {"event_id": event_id, "actor_id": "x"}
    assert decryptor()(protect(event)) == event


def test_an_event_id_beyond_its_prefix_is_refused() -> None:
    """It could not be bound."""
    assert enricher().protect_batch([orjson.dumps({"event_id": "x" * 65_536})]) == [
        Rejected(WriteReason.TOO_LONG, "/event_id")
    ]


def test_a_path_beyond_its_prefix_is_refused() -> None:
    """It could not be bound."""
    raw = orjson.dumps({"x" * 65_536: {"actor_id": 1}})
    assert enricher().protect_batch([raw]) == [Rejected(WriteReason.TOO_LONG, "/" + "x" * 65_536 + "/actor_id")]


class Signed:
    """A DekSource that knows one signer."""

    def __init__(self, signer: SessionSigner, *, signed: bool) -> None:
        self.generation = 1
        self.answer: bytes | ReadReason = signer.public
        self.key_id = signer.key_id
        self.signed = signed

    def reading_key(self, version: str) -> ReadingKey | ReadReason:
        return ReadingKey(
            version=version,
            decapsulate=PRIVATE.decapsulate,
            public_key=PAIR.public,
            policy=Policy.default(),
            signed=self.signed,
        )

    def session_signer(self, key_id: str, version: str) -> bytes | ReadReason:
        assert version == VERSION
        return self.answer if key_id == self.key_id else ReadReason.SIGNER_UNKNOWN


def judge(source: DekSource, event: dict[str, Any]) -> ReadReason | None:
    """Return why a reader refuses an event, or None."""
    (result,) = PIIDecryptor(source).open_batch([orjson.dumps(event)])
    return result.reason if isinstance(result, Unreadable) else None


def test_signed_sessions_are_judged_by_the_manifest() -> None:
    """Without a signature anybody who may write to the topic could write an event of his own."""
    signer = SessionSigner.generate()
    good, unsigned = protect(EVENT, signer=signer), protect(EVENT)
    foreign = protect(EVENT, signer=SessionSigner.generate())
    forged = copy.deepcopy(good)
    forged["_aegis"]["sig"] = base64.b64encode(bytes(64)).decode()
    required, allowed = Signed(signer, signed=True), Signed(signer, signed=False)
    assert [judge(required, event) for event in (good, unsigned, foreign, forged)] == [
        None,
        ReadReason.UNSIGNED,
        ReadReason.SIGNER_UNKNOWN,
        ReadReason.SIGNATURE,
    ]
    assert [judge(allowed, event) for event in (good, unsigned, foreign, forged)] == [
        None,
        None,
        ReadReason.SIGNER_UNKNOWN,
        ReadReason.SIGNATURE,
    ]


def test_a_reader_may_demand_signatures_that_the_manifest_does_not() -> None:
    """More, never less."""
    reader = PIIDecryptor(Signed(SessionSigner.generate(), signed=False), require_signed=True)
    assert reader.open_batch([orjson.dumps(protect(EVENT))]) == [Unreadable(ReadReason.UNSIGNED, "", VERSION)]


def test_a_revoked_signer_is_refused_in_a_known_session() -> None:
    """A cached judgement ends with the manifest that it was made under."""
    signer = SessionSigner.generate()
    source = Signed(signer, signed=True)
    reader, raw = PIIDecryptor(source), orjson.dumps(protect(EVENT, signer=signer))
    assert isinstance(reader.open_batch([raw])[0], Opened)
    source.answer, source.generation = ReadReason.SIGNER_REVOKED, 2
    assert reader.open_batch([raw]) == [Unreadable(ReadReason.SIGNER_REVOKED, "", VERSION)]


def test_a_session_that_differs_in_its_signature_is_judged_anew() -> None:
    """An attacker could otherwise ride on a session that was judged before."""
    signer = SessionSigner.generate()
    good = protect(EVENT, signer=signer)
    forged = copy.deepcopy(good)
    forged["_aegis"]["sig"] = base64.b64encode(bytes(64)).decode()
    reader = PIIDecryptor(Signed(signer, signed=True))
    results = reader.open_batch([orjson.dumps(event) for event in (good, forged, good)])
    assert [isinstance(result, Opened) for result in results] == [True, False, True]


def test_cached_sessions_stay_bounded() -> None:
    """An attacker chooses encapsulations."""
    reader = decryptor()
    reader._sessions._capacity = 3
    events = [orjson.dumps(protect(EVENT)) for _ in range(6)]
    assert all(isinstance(result, Opened) for result in reader.open_batch(events * 2))
    assert len(reader._sessions._derived) == 3
    assert len(reader._sessions._judged) <= 3


def test_no_value_is_released_before_all_have_passed() -> None:
    """One bad field makes the whole event unreadable, and the error names rule and path only."""
    protected = protect({**EVENT, "decision_actor": "secret-value"})
    protected["workflow_id"]["_plaintext_hash"] = "0" * 64
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()(protected)
    error = refused.value
    assert (error.reason, error.path, error.dek_version) == (ReadReason.COMMITMENT, "/workflow_id", VERSION)
    assert "secret-value" not in str(error)


def test_another_dek_version_is_unknown_to_a_single_key() -> None:
    """It never tries a key on a version that is not its own."""
    other = create_pii_enricher(public_key=PAIR.public, dek_version="dek-v2-20260101")(EVENT)
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()(other)
    assert refused.value.reason == ReadReason.DEK_UNKNOWN


def test_a_dict_that_is_no_json_is_unreadable() -> None:
    """An error of our tree, whatever is given."""
    with pytest.raises(EventUnreadableError) as refused:
        decryptor()({"a": float("nan")})
    assert refused.value.reason == ReadReason.NUMBER


def test_a_decryptor_takes_one_key() -> None:
    """Two would leave open which is tried."""
    for options in ({}, {"private_key": PAIR.private, "kek": aegis_stream.get_kek_provider("in_memory")}):
        with pytest.raises(ConfigurationError):
            create_pii_decryptor(dek_version=VERSION, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "version", ["", "dek-v0-20260101", "dek-v1-20260231", "dek-v1-2026", "DEK-v1-20260101", "dek-v1-20260101\n"]
)
def test_a_dek_version_has_its_form(version: str) -> None:
    """It is bound into every tag: a misspelt one would be unreadable."""
    with pytest.raises(KeyRefusedError):
        create_pii_enricher(public_key=PAIR.public, dek_version=version)


def test_the_guide_s_snippet_runs_and_can_be_undone() -> None:
    """But for the package's name, as it stands in the guide."""
    from aegis_stream import get_kek_provider  # noqa: PLC0415 - the snippet's own imports
    from aegis_stream.encryption import create_pii_decryptor, create_pii_enricher  # noqa: PLC0415
    from aegis_stream.pipeline import TelemetryPipeline  # noqa: PLC0415

    kek = get_kek_provider("in_memory")
    public_key = kek.get_public_key()
    enricher = create_pii_enricher(public_key=public_key, dek_version="dek-v1-20260101")
    pipeline = TelemetryPipeline()
    pipeline.add_enricher(enricher)
    encrypted = pipeline.process(dict.fromkeys(PII_FIELDS, "x"))
    assert all(encrypted[name]["_encrypted"] for name in PII_FIELDS)
    decrypted = create_pii_decryptor(kek=kek, dek_version="dek-v1-20260101")(encrypted)
    assert decrypted == dict.fromkeys(PII_FIELDS, "x")


def test_a_pipeline_runs_its_enrichers_in_order() -> None:
    """The second sees what the first returned."""
    pipeline = aegis_stream.TelemetryPipeline()
    pipeline.add_enricher(lambda event: {**event, "a": 1}).add_enricher(lambda event: {**event, "b": event["a"] + 1})
    assert pipeline.process({"c": 0}) == {"c": 0, "a": 1, "b": 2}


def test_results_show_no_value() -> None:
    """They are what a user prints first."""
    (protected,) = enricher().protect_batch([b'{"actor_id":"secret-value","kind":"public"}'])
    assert isinstance(protected, Protected)
    (opened,) = decryptor().open_batch([protected.value])
    assert "secret" not in repr(opened) + repr(protected) + repr(
        Signed(SessionSigner.generate(), signed=True).reading_key(VERSION)
    )
    assert json.loads(protected.value)["kind"] == "public"


def test_shapes_with_long_paths_are_counted_and_not_kept() -> None:
    """Producers choose the paths; a thousand shapes of megabytes would fill the memory of both sides."""
    writer = PIIEncryptor(public_key=PAIR.public, dek_version=VERSION, engine="python")
    private = HybridPrivateKey.from_bytes(PAIR.private)
    source = SingleDek(
        dek_version=VERSION, public_key=PAIR.public, decapsulate=private.decapsulate, policy=Policy.default()
    )
    reader = PIIDecryptor(source, engine="python")
    raw = orjson.dumps({f"{'n' * 60_000}{number}": {"actor_id": "alice"} for number in range(3)})
    (result,) = writer.protect_batch([raw])
    assert isinstance(result, Protected)
    (opened,) = reader.open_batch([result.value])
    assert isinstance(opened, Opened)
    assert orjson.dumps(opened.event) == raw
    assert writer.stats.fields == {"actor_id": 3}
    assert not writer.stats._shapes
    assert not reader._shapes

"""Writer and reader through their public doors: values, sessions, batches, and what a writer refuses."""

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
    Opened,
    Protected,
    Rejected,
    Unreadable,
    create_pii_decryptor,
    create_pii_enricher,
)
from aegis_stream.errors import (
    ConfigurationError,
    EventRefusedError,
    KeyRefusedError,
    ReadReason,
    WriteReason,
)
from aegis_stream.pii import PII_FIELDS, Policy
from aegis_stream.session import SessionLimits
from aegis_stream.session_signer import SessionSigner
from tests.support.one_dek import EVENT, PAIR, VERSION, Signed, decryptor, enricher, protect

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
    from aegis_stream.encryption import create_pii_enricher  # noqa: PLC0415
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

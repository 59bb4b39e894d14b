"""The reader in Go against every frozen vector: a third implementation, written from docs/decoding.md alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from aegis_stream.encryption import create_pii_enricher
from aegis_stream.session_signer import SessionSigner
from aegis_stream.wire import b64decode
from tests.support import vectors
from tests.support.go_reader import GoReader, keys_file
from tests.support.second_decoder import json_text
from tools.golang import go

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = vectors.cases("events")
BAD_EVENTS = vectors.cases("bad_events")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the reader; where there is no Go this fails and says how to get it."""
    built = tmp_path_factory.mktemp("go-reader") / "go-reader"
    go("build", "-o", str(built), ".")
    return built


@pytest.fixture(scope="module")
def answers(program: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Ask the reader about every event, in one process a keyring, and keep its answers by the case's name."""
    cases = [(f"good {name}", case, case["encrypted"]) for name, case in EVENTS.items()]
    cases += [(f"bad {name}", case, case["raw"]) for name, case in BAD_EVENTS.items()]
    found = {}
    for keyring in sorted({case["keyring"] for _, case, _ in cases}):
        reader = GoReader(program, keys_file(keyring), tmp_path_factory.mktemp(keyring))
        mine = [(name, vectors.restore(kept)) for name, case, kept in cases if case["keyring"] == keyring]
        results = reader.open_batch([raw for _, raw in mine])
        found |= dict(zip((name for name, _ in mine), results, strict=True))
    return found


@pytest.mark.parametrize("name", EVENTS)
def test_event_opens(name: str, answers: dict[str, dict[str, Any]]) -> None:
    """What the format's text says is enough for a reader that shares no line and no language with the library."""
    case, answer = EVENTS[name], answers[f"good {name}"]
    assert (answer["dek"], answer["source"]) == (case["dek_version"], case["source"])
    line = json_text.parse(answer["line"].encode())
    raw = json_text.parse(vectors.restore(case["raw"]))
    assert isinstance(line, dict)
    assert line["event"] == raw
    assert repr(line["event"]) == repr(raw) or name == "members-turned"


@pytest.mark.parametrize("name", BAD_EVENTS)
def test_bad_event_is_refused_for_its_reason(name: str, answers: dict[str, dict[str, Any]]) -> None:
    """Refusals are part of the format: another language must give the same reason and path."""
    case = BAD_EVENTS[name]
    expected = {"reason": case["reason"], "path": vectors.restore(case["path"]).decode()}
    assert answers[f"bad {name}"].get("refused") == expected


def test_a_wrapped_key_opens_the_worked_event(program: Path, tmp_path: Path) -> None:
    """From a KEK and a DEK record to the plaintext, as in a deployment, and one event a line as in its README."""
    case, version = vectors.load("schedule"), vectors.load("schedule")["dek_version"]
    known = vectors.load("keyrings")["pairs"]
    wraps = [one for one in vectors.load("wrapped_deks")["wrapped"] if one["dek_version"] == version]
    keys = keys_file("deployment")
    keys["keks"] = [{name: known["kek-2"][name] for name in ("private", "public")}]
    keys["deks"][version].pop("private")
    keys["deks"][version]["wraps"] = {one["kek_id"]: one["wrapped"] for one in wraps}
    reader = GoReader(program, keys, tmp_path)
    said = reader.run(case["encrypted"].encode() + b"\n{}\n")
    raw = json.loads(case["raw"])
    assert said.returncode == 1
    assert [json.loads(line) for line in said.stdout.splitlines()] == [
        {"dek": version, "source": "aegis.raw/0/42", "event": raw},
        {"refused": {"reason": "not-protected", "path": ""}},
    ]


def test_keys_that_are_wrong_stop_it(program: Path, tmp_path: Path) -> None:
    """A key that is not what the record says must not open anything, and no key may be shown."""
    keys = keys_file("bare")
    keys["deks"]["dek-v1-20260101"]["public"] = keys["deks"]["dek-v3-20260401"]["public"]
    said = GoReader(program, keys, tmp_path).run(b"{}\n")
    assert (said.returncode, said.stdout) == (2, b"")
    assert said.stderr == b"go-reader: dek-v1-20260101: mismatch\n"


def test_the_control_topic_gives_it_its_keys(program: Path, tmp_path: Path) -> None:
    """The whole way of a reader: agent's signature, manifest, DEK record, KEK, session's signature, fields."""
    file = vectors.load("control_topic")
    (case,) = [one for one in file["cases"] if one["name"] == "rotation"]
    (first,) = [one for one in file["cases"] if one["name"] == "first manifest"]
    records = [
        *first["offers"],
        *case["offers"],
        {"key": "command/x", "value": "{}"},
        {"key": "manifest", "value": None},
    ]
    lines = "".join(f"{one['key']}\t{'null' if one['value'] is None else one['value']}\n" for one in records)
    (tmp_path / "control.tsv").write_text(lines)
    (tmp_path / "agent.pub").write_text(file["agent"]["public"] + "\n")
    kek = vectors.load("keyrings")["pairs"][file["kek"]]
    reader = GoReader(program, {"keks": [{name: kek[name] for name in ("private", "public")}]}, tmp_path)
    record = json.loads(case["offers"][0]["value"])
    events = [{"event_id": "e-1", "actor_id": "alice"}, {"event_id": "e-2", "actor_id": [1, None]}]
    signer = SessionSigner.from_seed(bytes.fromhex(vectors.load("keyrings")["enrichers"]["enricher-1"]["seed"]))
    stranger = SessionSigner.from_seed(bytes.fromhex(vectors.load("keyrings")["enrichers"]["enricher-2"]["seed"]))
    public = b64decode(record["public_key"])
    lines = b"".join(
        orjson.dumps(create_pii_enricher(public_key=public, dek_version=record["version"], signer=who)(event)) + b"\n"
        for who, event in [(signer, events[0]), (signer, events[1]), (stranger, events[0]), (None, events[0])]
    )
    options = [
        "-control",
        tmp_path / "control.tsv",
        "-agent",
        tmp_path / "agent.pub",
        "-deployment",
        file["deployment"],
    ]
    said = reader.run(lines, *map(str, options), "-now", case["at"])
    answers = [json.loads(line) for line in said.stdout.splitlines()]
    assert [one["event"] for one in answers[:2]] == events
    assert [one["refused"]["reason"] for one in answers[2:]] == ["signer-unknown", "unsigned"]
    refusals = [line.rpartition(b" ")[2] for line in said.stderr.splitlines()]
    assert refusals == [b"expired", b"envelope"]  # the first manifest's hour is over; the tombstone is none
    late = reader.run(lines, *map(str, options), "-now", "2026-04-03T12:00:00Z")
    assert late.returncode == 2
    assert late.stderr.endswith(b"go-reader: there is no manifest that can be relied on\n")


def test_its_own_tests_pass() -> None:
    """Keys, wraps, policies and grammars, against the vectors that no event carries."""
    assert go("test", "-count=1", ".").startswith("ok")

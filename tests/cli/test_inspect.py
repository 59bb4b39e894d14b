"""`aegis inspect`: structure without a key, judged as a reader judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.encryption import Protected, create_pii_enricher
from aegis_stream.hybrid import HybridKEM
from aegis_stream.session_signer import SessionSigner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import CommandLine

EVENT = b'{"event_id":"e-1","actor_id":"canary","note":"open","items":[{"signer_id":true},7]}'


@pytest.fixture(scope="module")
def encrypted() -> bytes:
    """Return one event as an enricher writes it."""
    encryptor = create_pii_enricher(
        public_key=HybridKEM.generate_keypair().public,
        dek_version="dek-v3-20260101",
        signer=SessionSigner.from_seed(bytes(32)),
    )
    (result,) = encryptor.protect_batch([EVENT], sources=["raw/4/17"])
    assert isinstance(result, Protected)
    return result.value


def test_structure_is_told_for_programs(aegis: CommandLine, encrypted: bytes) -> None:
    """Paths, kinds and sizes are public; values are neither needed nor shown."""
    ended = aegis("inspect", "--json", stdin=encrypted)
    told = orjson.loads(ended.out)

    assert ended.code == 0
    assert (told["dek_version"], told["source"], told["fault"]) == ("dek-v3-20260101", "raw/4/17", "")
    assert told["signed_by"] == SessionSigner.from_seed(bytes(32)).key_id
    assert [(entry["path"], entry["kind"], entry["plaintext_bytes"]) for entry in told["fields"]] == [
        ("/actor_id", "string", 6),
        ("/items/0/signer_id", "json", 16),
    ]
    assert told["clear"] == [
        {"path": "/event_id", "kind": "string"},
        {"path": "/note", "kind": "string"},
        {"path": "/items/1", "kind": "number"},
    ]
    assert b"e-1" not in ended.out


def test_structure_is_told_for_people(aegis: CommandLine, encrypted: bytes, tmp_path: Path) -> None:
    """A pretty-printed file is one event as well."""
    pretty = tmp_path / "event.json"
    pretty.write_bytes(orjson.dumps(orjson.loads(encrypted), option=orjson.OPT_INDENT_2))
    ended = aegis("inspect", pretty)
    text = ended.out.decode()

    assert ended.code == 0
    for part in ("event 1  well formed", "dek-v3-20260101", "raw/4/17", "not checked here", "/items/0/signer_id"):
        assert part in text


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda event: event.pop("_aegis"), "not-protected"),
        (lambda event: event["_aegis"].update(v=2), "version at /_aegis"),
        (lambda event: event["actor_id"].pop("_encrypted_at"), "malformed at /actor_id"),
        (lambda event: event.update(actor_id="x"), "plaintext at /actor_id"),
        (lambda event: event["actor_id"].update(_dek_version="dek-v4-20260101"), "mixed at /actor_id"),
    ],
)
def test_a_broken_rule_of_shape_is_named_as_a_reader_would(
    aegis: CommandLine, encrypted: bytes, change: object, fault: str
) -> None:
    """Whoever looks into a refused record sees the same reason as in the refusal."""
    event = orjson.loads(encrypted)
    change(event)  # type: ignore[operator]
    ended = aegis("inspect", "--json", stdin=orjson.dumps(event))

    assert ended.code == 1
    assert orjson.loads(ended.out)["fault"] == fault


def test_any_input_gives_an_answer(aegis: CommandLine, encrypted: bytes) -> None:
    """It is the tool for what is broken, so it must not break."""
    deep = b'{"a":' * 700 + b"1" + b"}" * 700
    lines = [b"no json", b"[]", b"\xff", b'{"_aegis":[]}', b'{"_aegis":{"kem":1}}', deep, encrypted]
    ended = aegis("inspect", "--json", stdin=b"\n".join(lines))

    faults = [orjson.loads(line)["fault"] for line in ended.out.splitlines()]
    assert ended.code == 1
    assert faults == ["not-json"] * 3 + ["malformed at /_aegis", "version at /_aegis", "too-deep", ""]
    assert aegis("inspect", stdin=b"\n".join(lines)).code == 1

"""Every kind of bad input on a real Kafka: a sealed dead letter with its reason, and the stream goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pytest

from tests.support.enrichment import PSEUDONYM_KEY, RawRecord, Stage
from topologies.before_start import look_before_start
from topologies.protect_events import build_enricher
from topologies.side_doors import KeyRule, SideDoors

if TYPE_CHECKING:
    from pathlib import Path

    from aiokafka import ConsumerRecord

    from aegis_stream.encryption import Opened

pytestmark = pytest.mark.kafka

RAW_BYTES = 12_000_000
DEEP = 64


def nested(depth: int) -> bytes:
    """Return an event of that many levels."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


IMITATION = {
    "_encrypted": True,
    "_algorithm": "x25519+ml-kem-768+aes-256-gcm",
    "_dek_version": "dek-v1-20260101",
    "_ciphertext": "AAAA",
    "_plaintext_hash": "00",
    "_encrypted_at": "2026-01-01T00:00:00Z",
}

PASSES: dict[str, bytes] = {
    "plain": b'{"event_id":"e","actor_id":"alice"}',
    "no-fields": b'{"event_id":"e"}',
    "empty-object": b"{}",
    "64-levels": nested(DEEP),
    "10-mb": orjson.dumps({"event_id": "e", "decision_rationale": "x" * 2_000_000, "public": "y" * 8_000_000}),
    "largest-integer": b'{"n":18446744073709551615,"actor_id":-9223372036854775808}',
    "imitation-in-a-field": orjson.dumps({"actor_id": IMITATION}),
    "imitation-elsewhere": orjson.dumps({"public": [IMITATION]}),
    "unexpected-types": b'{"actor_id":[1,null,{"x":true}],"requested_by":{"a":"b"},"signer_id":3.5,"workflow_id":null}',
    "id-missing": b'{"actor_id":"a"}',
    "id-empty": b'{"event_id":"","actor_id":"a"}',
    "id-a-number": b'{"event_id":7,"actor_id":"a"}',
    "other-spelling": b'{"Actor.ID":"a","deep":[{"authorId":"b"}]}',
    "white-space": b' \n{"actor_id" : "a"}\r\n\t',
}

REFUSED: dict[str, tuple[bytes | None, str]] = {
    "not-json": (b"alice@example.com", "not-json"),
    "cut-off": (b'{"actor_id":"ali', "not-json"),
    "not-utf-8": (b'{"actor_id":"\xff\xfe"}', "not-json"),
    "empty": (b"", "not-json"),
    "null": (b"null", "not-json"),
    "array": (b'[{"actor_id":"a"}]', "not-json"),
    "string": (b'"a"', "not-json"),
    "number-at-the-top": (b"7", "not-json"),
    "byte-order-mark": (b'\xef\xbb\xbf{"actor_id":"a"}', "not-json"),
    "lone-surrogate": (b'{"actor_id":"\\ud800"}', "not-json"),
    "nan": (b'{"n":NaN}', "not-json"),
    "65-levels": (nested(DEEP + 1), "too-deep"),
    "100,000-levels": (b"[" * 100_000 + b"]" * 100_000, "not-json"),
    "past-64-bits": (b'{"n":18446744073709551616}', "number"),
    "not-finite": (b'{"n":1e999}', "number"),
    "aegis-there": (b'{"_aegis":{"v":1},"actor_id":"a"}', "has-aegis"),
    "id-of-1-mb": (orjson.dumps({"event_id": "i" * 1_000_000, "actor_id": "a"}), "too-long"),
}


class Outcome(NamedTuple):
    """What came out, by the name of the input."""

    stage: Stage
    encrypted: dict[str, ConsumerRecord[bytes, bytes]]
    opened: dict[str, Opened]
    dead: dict[str, ConsumerRecord[bytes, bytes]]
    last: int


async def run_all(bootstrap: str, state_dir: Path) -> Outcome:
    """Send everything, poison between good events, and collect what comes out."""
    stage = Stage(
        {"bootstrap_servers": bootstrap},
        f"inputs-{asyncio.get_running_loop().time():.6f}",
        state_dir,
        partitions=1,
        raw_bytes=RAW_BYTES,
        encrypted_bytes=2 * RAW_BYTES + 65_536,
        dead_letter_bytes=RAW_BYTES + 65_536,
    )
    await stage.create()
    names: dict[int, str] = {}
    records = []
    inputs = {**PASSES, **{name: value for name, (value, _) in REFUSED.items()}}
    order = sorted(inputs, key=lambda name: (hash_free(name), name))
    for offset, name in enumerate(order):
        names[offset] = name
        records.append(RawRecord(value=inputs[name], key=b"key of " + name.encode(), headers=(("h", b"x"),)))
    names[len(records)] = "tombstone"
    records.append(RawRecord(value=None, key=b"tombstone"))
    names[len(records)] = "nothing"
    records.append(RawRecord(value=None))
    await stage.send(records)
    settings = stage.settings()
    enricher = build_enricher(settings, limits=await look_before_start(settings))
    await enricher.app.start()
    encrypted = await stage.read(stage.encrypted, len(PASSES) + 2, timeout_s=60)
    dead = await stage.read(stage.dead_letter, len(REFUSED), timeout_s=60)
    await stage.until_committed(len(records))
    await enricher.app.stop()
    kept = [names[number] for number in sorted(names) if names[number] not in REFUSED]
    by_name = dict(zip(kept, encrypted, strict=True))
    opened = stage.opened([by_name[name] for name in kept if name in PASSES])
    return Outcome(
        stage,
        by_name,
        dict(zip([name for name in kept if name in PASSES], opened, strict=True)),
        {names[int(dict(one.headers)["aegis-source"].split(b"/")[2])]: one for one in dead},
        len(records),
    )


def hash_free(name: str) -> int:
    """Return a number that mixes good and bad inputs, the same in every run."""
    return sum(map(ord, name)) % 7


@pytest.fixture(scope="module")
def outcome(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Run it once for all tests below."""
    return asyncio.run(run_all(kafka, tmp_path_factory.mktemp("state")))


@pytest.mark.parametrize("name", PASSES)
def test_what_is_an_event_is_encrypted_and_comes_back(outcome: Outcome, name: str) -> None:
    """However odd: what the format allows must pass, exactly."""
    assert outcome.opened[name].event == orjson.loads(PASSES[name])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_is_sealed_with_its_reason(outcome: Outcome, name: str) -> None:
    """The record is whole in the dead letter, its value nowhere in the clear, and the reason from the closed list."""
    value, reason = REFUSED[name]
    letter = outcome.dead[name]
    assert dict(letter.headers)["aegis-reason"].decode() == reason
    assert letter.key is None
    unsealed = outcome.stage.unsealed(letter)
    assert unsealed.value == value
    assert unsealed.key == b"key of " + name.encode()
    assert unsealed.headers == (("h", b"x"),)


def test_nothing_is_in_both_topics_or_in_none(outcome: Outcome) -> None:
    """Every raw record ends in exactly one of them, and all are committed."""
    assert set(outcome.encrypted) == {*PASSES, "tombstone", "nothing"}
    assert set(outcome.dead) == set(REFUSED)


def test_keys_are_pseudonyms_and_a_record_without_value_and_key_passes_as_it_is(outcome: Outcome) -> None:
    """With a pseudonym key set, a tombstone keeps its meaning under the pseudonym."""
    doors = SideDoors(KeyRule.PSEUDONYM, PSEUDONYM_KEY)
    for name in PASSES:
        assert outcome.encrypted[name].key == doors.key(b"key of " + name.encode(), [])
        assert outcome.encrypted[name].headers == (("h", b"x"),)
    tombstone, nothing = outcome.encrypted["tombstone"], outcome.encrypted["nothing"]
    assert (tombstone.key, tombstone.value) == (doors.key(b"tombstone", []), None)
    assert (nothing.key, nothing.value) == (None, None)

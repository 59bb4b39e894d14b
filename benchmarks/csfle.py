"""Protect and open one event with all twelve fields, against Confluent's CSFLE for Python.

Ours takes and gives JSON bytes both ways, parsing included.  The peer is given what favours it: events already parsed
(its serializer takes a dict), its one structured value as ready text (it encrypts only strings), a schema of nothing
but the tagged fields.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from aegis_stream.encryption import Opened, Protected, create_pii_decryptor, create_pii_enricher
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM
from benchmarks.engines import python_engine
from benchmarks.peer import csfle_peer
from benchmarks.rounds import paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.outcome import Outcome
    from benchmarks.peer import Peer

DEK_VERSION = "dek-v1-20260101"
PROTECT_AT_LEAST = 6.0
OPEN_AT_LEAST = 4.0
EVENTS = 100
ROUNDS = 101
SHORT_ROUNDS = 31


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield protect and open against the peer as it comes, and against the peer without validation."""
    rounds = SHORT_ROUNDS if short else ROUNDS
    yield from compare(csfle_peer(), events=EVENTS, rounds=rounds, targets=(PROTECT_AT_LEAST, OPEN_AT_LEAST))
    yield from compare(csfle_peer(validate=False), events=EVENTS, rounds=rounds, targets=(None, None))


def compare(peer: Peer, *, events: int, rounds: int, targets: tuple[float | None, float | None]) -> Iterator[Outcome]:
    """Compare protecting with the peer's serializer, and opening with its deserializer.

    targets: how many times as fast each must be.  Raises RuntimeError: a side did not give the events back.
    """
    originals = list(generate_events(seed=12, count=events, all_fields=True))
    raw = [orjson.dumps(event) for event in originals]
    flat = [_flat(event) for event in originals]
    keys = HybridKEM.generate_keypair()
    with python_engine():
        encryptor = create_pii_enricher(public_key=keys.public, dek_version=DEK_VERSION)
        decryptor = create_pii_decryptor(private_key=keys.private, dek_version=DEK_VERSION)

    def protected() -> list[bytes]:
        return [result.value for result in encryptor.protect_batch(raw) if isinstance(result, Protected)]

    def serialized(inputs: list[dict[str, Any]]) -> list[bytes]:
        return [peer.serialize(event) for event in inputs]

    ours, theirs = protected(), serialized([dict(event) for event in flat])
    opened = [result.event for result in decryptor.open_batch(ours) if isinstance(result, Opened)]
    if opened != originals or [peer.deserialize(value) for value in theirs] != flat:
        raise RuntimeError("one of the sides does not give the events back as they were")
    if any(event["author_id"].encode() in value for event, value in zip(originals, theirs, strict=True)):
        raise RuntimeError("the peer does not encrypt")
    yield paired(
        lambda: protected, lambda: partial(serialized, [dict(event) for event in flat]), events=events, rounds=rounds
    ).outcome("protect", f"pure Python against {peer.name}, 12 fields", at_least=targets[0])
    yield paired(
        _same(lambda: decryptor.open_batch(ours)),
        _same(lambda: [peer.deserialize(value) for value in theirs]),
        events=events,
        rounds=rounds,
    ).outcome("open", f"pure Python against {peer.name}, 12 fields", at_least=targets[1])


def _same(work: Callable[[], object]) -> Callable[[], Callable[[], object]]:
    """Return a preparation for work that leaves its input as it is."""
    return lambda: work


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its structured value as JSON text, the only form the peer encrypts."""
    return {**event, "actor_assignments": orjson.dumps(event["actor_assignments"]).decode()}

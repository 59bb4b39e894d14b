"""Protect and open one event with all twelve fields, against Confluent's CSFLE for Python.

Ours takes and gives JSON bytes both ways, parsing included.  The peer is given what favours it: events already parsed
(its serializer takes a dict), its one structured value as ready text (it encrypts only strings), a schema of nothing
but the tagged fields.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from aegis_stream.encryption import Opened, PIIDecryptor, PIIEncryptor, Protected, SingleDek
from aegis_stream.encryption.engine import Engine, find_native
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM, HybridPrivateKey
from benchmarks.peer import csfle_peer
from benchmarks.rounds import paired
from topologies.memory import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.outcome import Outcome
    from benchmarks.peer import Peer

DEK_VERSION = "dek-v1-20260101"
EVENTS = 1_000
EVENTS_OF_THREADS = 4_000
"""With 1,000, two threads are done in 8 ms, after half a second of the peer's round in which the second core slept: for
much of it that core is only waking up, which it does once in an enricher's life."""
BATCH = 100
"""Events that ours takes at once, about as many as an enricher does; a round is several batches, each result dropped
before the next, so that the caches that the peer's round has emptied weigh as little as in a running process."""
ROUNDS = 31
SHORT_ROUNDS = 9


class Ours(NamedTuple):
    """What of ours is measured, and how many times as fast as the peer it must be."""

    name: str
    engine: Engine
    threads: int
    protect_at_least: float | None
    open_at_least: float | None


PYTHON = Ours("pure Python", Engine.PYTHON, 1, 6.0, 4.0)
NATIVE = (
    Ours("native, 1 thread", Engine.NATIVE, 1, 30.0, 20.0),
    Ours("native, 2 threads", Engine.NATIVE, 2, 50.0, 35.0),
)


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield protect and open of each engine that is there against the peer as it comes.

    Pure Python also against the peer without validation, which has no target.
    """
    keep_freed_memory()  # of both sides, as in the processes that we start
    rounds = SHORT_ROUNDS if short else ROUNDS
    peer = csfle_peer()
    for ours in (PYTHON, *(NATIVE if find_native().module else ())):
        yield from compare(ours, peer, events=EVENTS if ours.threads == 1 else EVENTS_OF_THREADS, rounds=rounds)
    untargeted = PYTHON._replace(protect_at_least=None, open_at_least=None)
    yield from compare(untargeted, csfle_peer(validate=False), events=EVENTS, rounds=rounds)


def compare(ours: Ours, peer: Peer, *, events: int, rounds: int) -> Iterator[Outcome]:
    """Compare protecting with the peer's serializer, and opening with its deserializer.

    Raises RuntimeError: a side did not give the events back; ConfigurationError: the engine is not installed.
    """
    originals = list(generate_events(seed=12, count=events, all_fields=True))
    raw = [orjson.dumps(event) for event in originals]
    flat = [_flat(event) for event in originals]
    keys = HybridKEM.generate_keypair()
    encryptor = PIIEncryptor(public_key=keys.public, dek_version=DEK_VERSION, engine=ours.engine, threads=ours.threads)
    private = HybridPrivateKey.from_bytes(keys.private)
    source = SingleDek(dek_version=DEK_VERSION, public_key=keys.public, decapsulate=private.decapsulate, policy=None)
    decryptor = PIIDecryptor(source, engine=ours.engine, threads=ours.threads)
    several = ours.threads > 1

    def protected() -> None:
        for batch in batches(raw):
            encryptor.protect_batch(batch)

    def open_all() -> None:
        for batch in batches(made):
            decryptor.open_batch(batch)

    def serialized(inputs: list[dict[str, Any]]) -> list[bytes]:
        return [peer.serialize(event) for event in inputs]

    made = [result.value for result in encryptor.protect_batch(raw) if isinstance(result, Protected)]
    theirs = serialized([dict(event) for event in flat])
    opened = [result.event for result in decryptor.open_batch(made) if isinstance(result, Opened)]
    if opened != originals or [peer.deserialize(value) for value in theirs] != flat:
        raise RuntimeError("one of the sides does not give the events back as they were")
    if any(event["author_id"].encode() in value for event, value in zip(originals, theirs, strict=True)):
        raise RuntimeError("the peer does not encrypt")
    yield paired(
        lambda: protected, lambda: partial(serialized, [dict(event) for event in flat]), events=events, rounds=rounds
    ).outcome("protect", f"{ours.name} against {peer.name}, 12 fields", at_least=ours.protect_at_least, by_wall=several)
    yield paired(
        _same(open_all),
        _same(lambda: [peer.deserialize(value) for value in theirs]),
        events=events,
        rounds=rounds,
    ).outcome("open", f"{ours.name} against {peer.name}, 12 fields", at_least=ours.open_at_least, by_wall=several)


def batches(events: list[bytes]) -> Iterator[list[bytes]]:
    """Yield the events in batches."""
    for start in range(0, len(events), BATCH):
        yield events[start : start + BATCH]


def _same(work: Callable[[], object]) -> Callable[[], Callable[[], object]]:
    """Return a preparation for work that leaves its input as it is."""
    return lambda: work


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with its structured value as JSON text, the only form the peer encrypts."""
    return {**event, "actor_assignments": orjson.dumps(event["actor_assignments"]).decode()}

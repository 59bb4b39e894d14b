"""Memory of protect_batch and open_batch: flat, whatever the events hold.

The events are made to fill every cache there is: mixed kinds, in each event a sensitive member at a path that no other
event has, and a new session every few dozen events, so that a reader meets more sessions than it keeps.
"""

from __future__ import annotations

import gc
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

import orjson

from aegis_stream.encryption import Opened, PIIEncryptor, Protected, create_pii_decryptor
from aegis_stream.generator import generate_events
from aegis_stream.hybrid import HybridKEM
from aegis_stream.session import SessionLimits
from benchmarks.engines import hide_native
from benchmarks.outcome import Outcome
from benchmarks.resident import MIB, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEK_VERSION = "dek-v1-20260101"
COUNTS = (200_000, 2_000_000)
SHORT_COUNTS = (40_000, 120_000)
GROWTH_AT_MOST = 0.10
BATCH = 500
POOL = 5_000
SESSION_FIELDS = 100


def run(*, short: bool) -> Iterator[Outcome]:
    """Yield the growth between both counts, measured in a process of its own."""
    yield growth(SHORT_COUNTS if short else COUNTS)


def growth(counts: tuple[int, int]) -> Outcome:
    """Measure in a fresh process after each of both counts of events."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        before, after = pool.submit(sizes, counts).result()
    grown = after / before - 1
    return Outcome(
        benchmark="memory",
        subject="protect_batch and open_batch in one process, pure Python",
        headline=f"{grown:+.1%}",
        target=f"at most {GROWTH_AT_MOST:+.0%}",
        holds=grown <= GROWTH_AT_MOST,
        figures={
            "growth": round(grown, 4),
            f"mib_after_{counts[0]}": round(before / MIB, 1),
            f"mib_after_{counts[1]}": round(after / MIB, 1),
        },
    )


def sizes(counts: Sequence[int]) -> list[int]:
    """Protect and open events and return this process's size, in bytes, after each of the counts.

    For a process of its own: it hides the native engine for good.  Raises RuntimeError: an event was refused.
    """
    hide_native()
    keys = HybridKEM.generate_keypair()
    encryptor = PIIEncryptor(
        public_key=keys.public, dek_version=DEK_VERSION, limits=SessionLimits(max_fields=SESSION_FIELDS)
    )
    decryptor = create_pii_decryptor(private_key=keys.private, dek_version=DEK_VERSION)
    found: list[int] = []
    batches = _batches()
    done = 0
    for count in counts:
        while done < count:
            batch = next(batches)
            protected = [result.value for result in encryptor.protect_batch(batch) if isinstance(result, Protected)]
            opened = sum(isinstance(result, Opened) for result in decryptor.open_batch(protected))
            if opened != len(batch):
                raise RuntimeError("an event was refused")
            done += len(batch)
        del batch, protected
        gc.collect()
        found.append(resident_bytes())
    return found


def _batches() -> Iterator[list[bytes]]:
    """Yield batches of events without end, each event with one path of its own."""
    pool = [orjson.dumps(event)[:-1] for event in generate_events(seed=7, count=POOL)]
    number = 0
    while True:
        batch = []
        for _ in range(BATCH):
            number += 1
            batch.append(b'%b,"case-%d":{"actor_id":"a.b@c.example"}}' % (pool[number % POOL], number))
        yield batch

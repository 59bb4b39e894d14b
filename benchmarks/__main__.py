"""`python -m benchmarks [NAME …] [--short]`: the table on standard error, JSON on standard output.

The exit code is 1 where a target is missed, 2 where a benchmark could not run.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from benchmarks import compression, csfle, enricher, enricher_memory, memory, rotation, scale
from benchmarks.passage import WorkerFailedError
from benchmarks.peer import PeerMissingError
from benchmarks.report import as_json, table
from tools.kafka import KafkaUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.outcome import Outcome

BENCHMARKS: dict[str, Callable[..., Iterator[Outcome]]] = {
    "csfle": csfle.run,
    "memory": memory.run,
    "enricher": enricher.run,
    "enricher-memory": enricher_memory.run,
    "compression": compression.run,
    "rotation": rotation.run,
    "scale": scale.run,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, all where none is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Each figure against a peer or a limit.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--short", action="store_true", help="fewer rounds and events")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    console = Console(stderr=True)
    outcomes: list[Outcome] = []
    try:
        for name in chosen.names or BENCHMARKS:
            for outcome in BENCHMARKS[name](short=chosen.short):
                outcomes.append(outcome)
                console.print(
                    f"{outcome.benchmark}: {outcome.subject}: {outcome.headline}", highlight=False, soft_wrap=True
                )
    except (PeerMissingError, KafkaUnavailableError, WorkerFailedError) as error:
        console.print(f"benchmarks: error: {error}", highlight=False, markup=False, soft_wrap=True)
        return 2
    console.print(table(outcomes))
    print(as_json(outcomes))
    return 0 if all(outcome.holds for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

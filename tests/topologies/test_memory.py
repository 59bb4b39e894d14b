"""How a process that carries events keeps its memory; each case in a process of its own, whose settings it changes."""

from __future__ import annotations

import subprocess
import sys

CYCLES = """
import gc
from topologies.memory import COLLECT_AFTER, collect_rarely
after = gc.get_threshold()
collect_rarely()
assert gc.get_threshold() == (COLLECT_AFTER, *after[1:])
assert gc.isenabled() and gc.get_freeze_count() > 0
"""

FREED = """
import ctypes, resource
from topologies.memory import keep_freed_memory
kept = keep_freed_memory()
assert kept is hasattr(ctypes.CDLL(None), "gnu_get_libc_version")

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    lists = [bytes(6_400) for _ in range(2_000)]
    del lists
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
assert not kept or min(faults() for _ in range(5)) < 1_500  # of 3,125 pages, which would all be taken again
"""


def run(program: str) -> None:
    """Run a program and see that it ends well."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def test_cycles_are_still_looked_for_but_rarely() -> None:
    """Never would be a leak; as often as Python does it costs a tenth of an event's time."""
    run(CYCLES)


def test_freed_memory_is_taken_again_without_the_system() -> None:
    """Pages that are given back and taken again cost more than parsing an event."""
    run(FREED)

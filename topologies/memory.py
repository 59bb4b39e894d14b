"""How a process that carries events keeps its memory: what was freed stays, and cycles are looked for rarely.

glibc gives freed memory back to the system and takes it again a moment later, page by page: measured, a tenth of the
time that protecting an event takes.  See docs/performance.md.
"""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # names of <malloc.h>, the same on every Linux
COLLECT_AFTER = 50_000
"""New objects between two looks for cycles: several lists of records, which no cycle holds."""

KEPT_BYTES = 64 * 2**20
_OWN_MAPPING_BYTES = 32 * 2**20  # the most that glibc takes


def keep_freed_memory() -> bool:
    """Let this process keep up to 64 MiB that it freed; False where its C library is not glibc, and nothing is done.

    A process's matter, so called by those that start one, never by the library.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    wishes = {_MMAP_THRESHOLD: _OWN_MAPPING_BYTES, _TRIM_THRESHOLD: KEPT_BYTES, _TOP_PAD: KEPT_BYTES // 8}
    return all(library.mallopt(name, value) == 1 for name, value in wishes.items())


def collect_rarely() -> None:
    """Look for cycles after as many objects as some lists of records are, and no more among those that stay.

    With Python's own setting the garbage collector walks every list of records several times while it lives.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])

"""Keeps what was freed in the process, for lists of events need as much again at once.

glibc gives freed memory back to the system and takes it again a moment later, page by page: measured, a tenth of the
time that protecting an event takes.  See docs/performance.md.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # names of <malloc.h>, the same on every Linux
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

"""How much memory a process holds."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

MIB = 1 << 20


def resident_bytes(pid: int | None = None) -> int:
    """Return the resident size of a process, this one by default, in bytes.

    Where the system has no /proc only this process can be asked, and the answer is its largest size so far: what
    grows shows in it as well.  Raises OSError: no such process.
    """
    statm = Path("/proc") / ("self" if pid is None else str(pid)) / "statm"
    if Path("/proc/self/statm").exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if pid is not None:
        raise OSError("the size of another process is read from /proc, which this system has not")
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024

"""Which engine is measured: said by the benchmark and never left to what happens to be installed.

The library takes the native engine by itself where it finds one, which is right for users and wrong here: a figure of
one engine would be read as the other's.
"""

from __future__ import annotations

import sys

NATIVE = "aegis_stream_native"


def hide_native() -> None:
    """Make this process find no native engine, for good; for worker processes, before they make anything."""
    sys.modules[NATIVE] = None  # type: ignore[assignment]  # how the import system is told that there is none

"""The machine and the versions that a figure belongs to; no name and no path of it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

PACKAGES = (
    "aegis-stream", "aegis-stream-native", "aiokafka", "confluent-kafka", "cryptography", "faust-streaming", "orjson",
    "pqcrypto", "uvloop",
)  # fmt: skip


def machine() -> dict[str, str | int | dict[str, str]]:
    """Return system, processor, cores, Python and the versions of the packages that matter."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": os.cpu_count() or 0,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    """Return the processor's model where the system tells it."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""

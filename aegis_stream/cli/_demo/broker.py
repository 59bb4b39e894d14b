"""A Kafka for the demo: noida-db, a broker in one binary, in a temporary folder; for nothing but a demo."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aegis_stream.cli._demo.processes import Child
from aegis_stream.errors import BrokerReason, BrokerUnavailableError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_S = 15.0


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def embedded_broker(folder: Path) -> Iterator[str]:
    """Run a broker and yield its address; stopped at the end.

    Raises ConfigurationError where noida-db is not installed, BrokerUnavailableError where it does not come up.
    """
    port = free_port()
    arguments = ["start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", str(folder / "broker")]
    with Child("broker", [str(_binary()), *arguments], log=folder / "broker.log") as child:
        _until_listening(child, port)
        yield f"127.0.0.1:{port}"


def _binary() -> Path:
    spec = find_spec("noida_db")
    folders = spec.submodule_search_locations if spec is not None else None
    for name in ("noida-db", "noida-db.exe"):
        for folder in folders or ():
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    raise ConfigurationError(
        "the demo's own broker (noida-db) is not installed",
        remedy="pip install 'aegis-stream[demo]', or set AEGIS_BROKER to a Kafka that you may use for it",
    )


def _until_listening(child: Child, port: int) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and child.running:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise BrokerUnavailableError(
        BrokerReason.UNREACHABLE,
        "the demo's own broker did not come up",
        remedy=f"set AEGIS_BROKER to a Kafka that you may use for it; it said: {child.last_words()}",
    )

"""Runs a Faust application in this process until SIGTERM or SIGINT, and says by its exit code how that ended."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import faust
import structlog

from topologies.death import EXIT_DIED
from topologies.logs import SERVICE_LOG

if TYPE_CHECKING:
    from topologies.app import AegisApp

EXIT_STOPPED = 0

_log = structlog.get_logger(__name__)


class AegisWorker(faust.Worker):
    """Faust's worker without its say on logs, standard output and the working directory."""

    logger = SERVICE_LOG

    def _install_signal_handlers_unix(self) -> None:
        """Take SIGINT and SIGTERM; Faust would open a debugger on SIGUSR2 and print every stack on SIGUSR1."""
        self.loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        self.loop.add_signal_handler(signal.SIGTERM, self._on_sigterm)

    def _setproctitle(self, info: str, *, ident: str = "aegis") -> None:
        """Leave the process title alone."""

    def on_worker_shutdown(self) -> None:
        """Say nothing on standard output."""


def use_fast_loop() -> None:
    """Make event loops of this process uvloop's, where there is one (a fifth faster here)."""
    if sys.platform != "win32":
        import uvloop  # noqa: PLC0415 - not to be had on Windows

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def run_worker(app: AegisApp, loop: asyncio.AbstractEventLoop) -> int:
    """Run until a signal or a crash; returns 0 after a clean stop, EXIT_DIED otherwise.

    On SIGTERM and SIGINT the lists that are begun are finished and committed.
    """
    worker = AegisWorker(app, quiet=True, override_logging=False, redirect_stdouts=False, loop=loop, daemon=True)
    worker.spinner = None
    crashed: BaseException | None = None
    starting = loop.create_task(worker.start())
    worker._starting_fut = starting  # noqa: SLF001 - its signal handler cancels it
    try:
        loop.run_until_complete(starting)
    except asyncio.CancelledError:
        _log.info("stopped while starting")
    except Exception as error:  # noqa: BLE001 - told by class, below
        crashed = error
    try:
        worker.stop_and_shutdown()
    except Exception as error:  # noqa: BLE001 - Faust raises the reason of a crash again here
        crashed = crashed or error
    if crashed is not None or worker.crash_reason is not None:
        _log.critical("crashed", exc_info=crashed or worker.crash_reason)
        return EXIT_DIED
    _log.info("stopped")
    return EXIT_STOPPED

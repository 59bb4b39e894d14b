"""The end of a process that must not commit what it does not understand."""

from __future__ import annotations

import logging
import os
import sys
from typing import NoReturn

import structlog

from aegis_stream.errors import AegisError

EXIT_DIED = 70
"""Exit code of a process that met something unexpected (EX_SOFTWARE)."""

_log = structlog.get_logger(__name__)


def die(stage: str, error: BaseException) -> NoReturn:
    """Leave at once, before any further commit, and say only where and by which class of error.

    The text of a foreign error may quote an event, so it is not shown; our own errors are made to be shown.
    """
    shown = {"detail": str(error), "remedy": error.remedy} if isinstance(error, AegisError) else {}
    _log.critical("died", stage=stage, error=type(error).__name__, **shown)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(EXIT_DIED)

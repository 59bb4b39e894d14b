"""How a process ends that must not go on."""

from __future__ import annotations

import subprocess
import sys

from topologies.death import EXIT_DIED

SCRIPT = """
import atexit
from aegis_stream.errors import BrokerError, BrokerReason
from aegis_stream.settings import Settings
from topologies.death import die
from topologies.logs import configure_logging
configure_logging(Settings())
atexit.register(print, "committed")
try:
    raise {error}
except Exception as error:
    die("protect", error)
"""


def ended(error: str) -> tuple[int, str, str]:
    """Let a process die of an error; returns exit code, standard output and standard error."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(error=error)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_nothing_runs_after_it_and_only_the_class_is_shown() -> None:
    """No handler may commit any more, and a foreign error's text may quote an event."""
    code, out, said = ended("ValueError('alice@example.com')")
    assert code == EXIT_DIED
    assert out == ""
    assert "ValueError" in said
    assert "protect" in said
    assert "alice" not in said


def test_our_own_errors_are_shown_with_their_remedy() -> None:
    """They are made to be shown, and the operator has to do something."""
    _, _, said = ended("BrokerError(BrokerReason.TOPIC_SETTINGS, 'too small', remedy='raise it')")
    assert '"detail": "too small"' in said
    assert '"remedy": "raise it"' in said

"""Before anything is signed somebody is asked, on a real terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

ASK = """
import sys
from aegis_stream.cli import _exit, app
from aegis_stream.cli._ask import confirm

@app.command("ask")
def ask() -> None:
    confirm("Sign and publish it?", yes=False)
    print("signed")

sys.exit(_exit.run(app, ["ask"]))
"""


@pytest.mark.parametrize(("answer", "code", "out"), [(b"y\n", 0, b"signed\n"), (b"n\n", 130, b""), (b"\n", 130, b"")])
def test_a_yes_is_needed(answer: bytes, code: int, out: bytes) -> None:
    """Return alone is a no; the question does not stand among the results."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=terminal, stdout=subprocess.PIPE, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        seen = b""
        while b"publish it?" not in seen:
            seen += os.read(controller, 1024)
        os.write(controller, answer)
        assert process.stdout is not None
        assert process.stdout.read() == out
    os.close(controller)
    assert process.returncode == code

"""`aegis` for scripts of many commands: a process that has imported everything forks once for each command.

`QuickAegis` puts a program `aegis` into a folder, to be first in PATH.  It hands its arguments, variables, folder and
standard files to the process that was started beforehand, and ends with the code of the command.  What runs is the
console script's own `main`, in a process of its own, without the second that imports take.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
SHIM = """#!{python} -IS
import json, os, socket
call = socket.socket(socket.AF_UNIX)
call.connect({socket!r})
told = json.dumps({{"argv": __import__("sys").argv[1:], "cwd": os.getcwd(), "environ": dict(os.environ)}}).encode()
socket.send_fds(call, [len(told).to_bytes(4, "big")], [0, 1, 2])
call.sendall(told)
os._exit(int(call.recv(4) or b"70"))
"""


class QuickAegis:
    """A context manager; `folder` is to be the first of PATH."""

    def __init__(self, folder: Path) -> None:
        """Use an empty folder; its path must be short, for it holds a socket."""
        self.folder = folder
        self._socket = str(folder / "s")

    def __enter__(self) -> Self:
        """Write the program and start the process."""
        program = self.folder / "aegis"
        program.write_text(SHIM.format(python=sys.executable, socket=self._socket))
        program.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.quick_aegis", self._socket], cwd=ROOT, stdin=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not Path(self._socket).exists():
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


def serve(path: str) -> None:
    """Fork for each call, until this process is ended."""
    import topologies.reencrypt  # noqa: PLC0415 - so that the forks need not
    from aegis_stream.cli import demo, main  # noqa: F401, PLC0415 - as above

    assert topologies.reencrypt
    door = socket.socket(socket.AF_UNIX)
    door.bind(f"{path}.new")
    door.listen()
    Path(f"{path}.new").rename(path)
    while True:
        call, _ = door.accept()
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        if os.fork() == 0:
            door.close()
            code = 70
            try:
                code = _run(call)
            finally:
                call.sendall(b"%d" % code)
                os._exit(0)
        call.close()


def _run(call: socket.socket) -> int:
    """Become the command."""
    from aegis_stream.cli import main  # noqa: PLC0415 - imported by `serve`

    head, files, _, _ = socket.recv_fds(call, 4, 3)
    size, told = int.from_bytes(head, "big"), b""
    while len(told) < size:
        told += call.recv(size - len(told))
    command = json.loads(told)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["environ"])
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    code = main(command["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])

"""Run the console sessions of a page as they stand, in one shell, and hold what they print against what is shown."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VOLATILE = re.compile(r"kek-[0-9a-f]{16}|-20[0-9]{6}\b")
END = "==== end of a command ===="


def steps(page: str) -> list[tuple[str, str]]:
    """Return each command of a page's console blocks with what the page shows of its output."""
    session = "".join(re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    parts = re.split(r"^\$ (.*)\n", session, flags=re.MULTILINE)[1:]
    return list(zip(parts[0::2], parts[1::2], strict=True))


def environment(kafka: str, prefix: str, folder: Path, **more: str) -> dict[str, str]:
    """Return the variables of a shell whose topics and groups are called otherwise than the page says."""
    topics = ("raw", "encrypted", "dead-letter", "dead-letter-state", "control")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AEGIS_")},
        **{f"AEGIS_TOPIC_{topic.upper().replace('-', '_')}": f"{prefix}.{topic}" for topic in topics},
        "AEGIS_APPLICATION_ID": prefix[:90],
        "AEGIS_READER_GROUP": f"r-{prefix}"[:90],
        "AEGIS_BROKER": kafka,
        "COLUMNS": "100",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "XDG_STATE_HOME": str(folder / "state"),
        **more,
    }


def run_session(
    session: Sequence[tuple[str, str]], *, variables: Mapping[str, str], folder: Path, prefix: str
) -> list[str]:
    """Every command must succeed, and every line that is shown be printed; ids and dates are another day's.

    Returns what each has printed.  What runs in the background is ended.
    """
    commands = [command for command, _ in session]
    script = "exec 2>&1\n" + "".join(f"{command}\necho '{END}' $?\n" for command in commands)
    with subprocess.Popen(
        ["/bin/bash", "-c", script],
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        text = ""
        while text.count(END) < len(commands):
            line = shell.stdout.readline()
            assert line, text
            text += line
        os.killpg(shell.pid, signal.SIGTERM)  # the processes in the background

    outputs = re.split(rf"{END} (\d+)\n", text)
    assert outputs[1::2] == ["0"] * len(commands), text
    for (command, shown), printed in zip(session, outputs[0::2], strict=False):
        real = [VOLATILE.sub("#", line.replace(prefix, "aegis")).rstrip() for line in printed.splitlines()]
        for line in shown.splitlines():
            assert line == "…" or VOLATILE.sub("#", line).rstrip() in real, (command, line, printed)
        if "…" not in shown:
            assert len(real) == len(shown.splitlines()), (command, printed)
    return outputs[0 : 2 * len(commands) : 2]

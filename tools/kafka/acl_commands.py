"""Run `kafka-acls.sh …` command lines as they stand, on a secure test broker, by Kafka's own tool."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.kafka.jars import kafka_jars
from tools.kafka.security import ADMIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.kafka.security import Security

SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
TOOL = "org.apache.kafka.tools.AclCommand"
# The tool ends its process after one command; a JVM for each would take seconds, so here the end is only noted.
ALL_IN_ONE = """
import java.nio.file.*;
import org.apache.kafka.common.utils.Exit;
public class AclLines {
    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure((code, message) -> { if (code != 0) throw new RuntimeException("exit " + code); });
        for (String line : Files.readAllLines(Path.of(arguments[0]))) TOOL.main(line.split("\\t"));
    }
}
""".replace("TOOL", TOOL)
CLIENT = """security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location={ca}
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config={module} required username="{user}" password="{password}";
"""


def run_acl_commands(security: Security, lines: Sequence[str]) -> None:
    """Run command lines as the broker's super user; those that begin with # are comments.

    They say `--command-config admin.properties`, which is made here.  Raises RuntimeError: one of them failed.
    """
    with tempfile.TemporaryDirectory(prefix="aegis-acls-") as name:
        folder = Path(name)
        password = security.users[ADMIN]
        text = CLIENT.format(ca=security.ca_path, module=SCRAM, user=ADMIN, password=password)
        (folder / "admin.properties").write_text(text)
        (folder / "AclLines.java").write_text(ALL_IN_ONE)
        commands = [shlex.split(line) for line in lines if not line.startswith("#")]
        if any(command[0] != "kafka-acls.sh" for command in commands):
            raise RuntimeError("a line is no kafka-acls.sh command")
        (folder / "lines").write_text("\n".join("\t".join(command[1:]) for command in commands))
        java = [
            "java",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{kafka_jars()}/*",
            "AclLines.java",
            "lines",
        ]
        ended = subprocess.run(java, cwd=folder, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"kafka-acls.sh failed: {ended.stderr[-2_000:]}{ended.stdout[-500:]}")

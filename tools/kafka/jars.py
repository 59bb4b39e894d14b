"""The broker's jars, fetched once by Maven into the repository's cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.kafka.errors import KafkaUnavailableError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
MAVEN_TIMEOUT_S = 600
INSTALL = (
    "Install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jre-headless maven), or start Docker, "
    "or set AEGIS_TEST_BROKER to host:port of a Kafka 4 broker."
)


def missing_commands() -> list[str]:
    """Name the commands that the jars need and this machine lacks."""
    return [command for command in ("java", "mvn") if shutil.which(command) is None]


def kafka_jars() -> Path:
    """Return the folder that holds the jars, fetching them first if they are not there (40 MB, about 4 s).

    Raises KafkaUnavailableError: Java or Maven is missing, or Maven could not fetch them.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    libs = CACHE / digest
    missing = missing_commands()
    if libs.is_dir() and "java" not in missing:
        return libs
    if missing:
        raise KafkaUnavailableError(f"No Kafka can be had here; not found: {' and '.join(missing)}. {INSTALL}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not libs.is_dir():
            _fetch(libs)
    return libs


def _fetch(libs: Path) -> None:
    """Let Maven copy into a folder beside `libs`, which becomes `libs` only when it is whole."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        copied = Path(folder) / "libs"
        command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={copied}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=MAVEN_TIMEOUT_S, check=False)
        if done.returncode != 0:
            said = (done.stdout + done.stderr)[-2000:]
            raise KafkaUnavailableError(f"Maven could not fetch the Kafka jars:\n{said}")
        copied.rename(libs)

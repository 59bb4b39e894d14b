"""One real Apache Kafka broker as a child process: KRaft, a free port, a temporary folder, nothing left behind."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tools.kafka.errors import KafkaUnavailableError
from tools.kafka.jars import kafka_jars
from tools.kafka.ports import free_ports
from tools.kafka.security import Security
from tools.kafka.settings import TEST_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START_TIMEOUT_S = 90
STOP_TIMEOUT_S = 20
JAVA_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
CLUSTER_ID = "YWVnaXMtc3RyZWFtLTAwMQ"  # 16 bytes in URL-safe base64: any will do, brokers never meet
BROKER = "kafka.Kafka"
STARTED = "Kafka Server started"
LOG4J = """
status=warn
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1} - %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
logger.authorizer.name=kafka.authorizer.logger
logger.authorizer.level=info
"""
# Waits until the pipe from the parent closes, by whatever death, then ends the broker and removes its folder.
GUARD = 'read -r _; kill -9 "$(cat "$1/pid")" 2>/dev/null; rm -rf "$1"'


class KafkaServer:
    """A broker and controller in one process, reached at `bootstrap`; a context manager.

    `properties` add to or replace lines of server.properties.  With `secure` the broker has TLS only: SCRAM-SHA-512
    at `bootstrap`, client certificates at `security.mtls_bootstrap`, and an authorizer that refuses what no ACL
    allows; `users` are its SCRAM users with their passwords (`admin` is a super user and always there).
    `java_flags` are for the broker's own process.
    """

    def __init__(
        self,
        *,
        properties: Mapping[str, str] | None = None,
        port: int | None = None,
        secure: bool = False,
        users: Mapping[str, str] | None = None,
        java_flags: Sequence[str] = (),
    ) -> None:
        """Choose ports; nothing is started or written before `start`."""
        listener, controller, mtls = free_ports(3)
        self._port = listener if port is None else port
        self._controller_port = controller
        self._mtls_port = mtls
        self._extra = dict(properties or {})
        self._secure = secure
        self._users = dict(users or {})
        self._java_flags = tuple(java_flags)
        self._security: Security | None = None
        self._folder: Path | None = None
        self._libs = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def folder(self) -> Path:
        """The temporary folder that of settings, data, certificates and log.  Raises RuntimeError: not started."""
        if self._folder is None:
            raise RuntimeError("the Kafka server is not started")
        return self._folder

    @property
    def log_path(self) -> Path:
        """The broker's whole log, over all restarts."""
        return self.folder / "server.log"

    @property
    def security(self) -> Security:
        """Certificates, users and ACLs of a secure broker.  Raises RuntimeError: not started, or not secure."""
        if self._security is None:
            raise RuntimeError("the Kafka server is not started, or not secure")
        return self._security

    @property
    def pid(self) -> int | None:
        """The process id of the running broker, None while it is down."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        """Start, and return self."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop and remove everything."""
        self.close()

    def start(self) -> Self:
        """Format the storage if it is new, start the broker and return once it serves.

        Raises KafkaUnavailableError: Java or the jars are missing, or the broker ended or is silent after 90 s.
        """
        if self._folder is None:
            self._libs = kafka_jars()
            self._folder = Path(tempfile.mkdtemp(prefix="aegis-kafka-"))
            self._watch()
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise
        try:
            self._run()
        except BaseException:
            self.close()
            raise
        return self

    def stop(self, *, hard: bool = False) -> None:
        """End the broker and keep its data; `hard` is SIGKILL, as a crash would be."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self, *, hard: bool = False) -> None:
        """Stop the broker and start it again on the same ports and data."""
        self.stop(hard=hard)
        self.start()

    def close(self) -> None:
        """End the broker and remove its folder."""
        self.stop()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.communicate()
        self._folder = self._security = None

    def _watch(self) -> None:
        """Start the process that cleans up even if this one is killed."""
        shell = shutil.which("sh") or "/bin/sh"
        command = [shell, "-c", GUARD, "aegis-kafka-guard", str(self.folder)]
        self._guard = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def _prepare(self) -> None:
        """Write the settings and format the storage."""
        (self.folder / "log4j2.properties").write_text(LOG4J)
        settings = self._settings()
        scram: list[str] = []
        if self._secure:
            self._security = Security(
                self.folder, bootstrap=self.bootstrap, mtls_port=self._mtls_port, users=self._users
            )
            settings |= self._security.properties(controller=f"127.0.0.1:{self._controller_port}")
            scram = self._security.format_arguments()
        settings |= self._extra
        lines = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self.folder / "server.properties").write_text(lines)
        arguments = ["format", "--standalone", "-t", CLUSTER_ID, "-c", str(self.folder / "server.properties"), *scram]
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments), capture_output=True, timeout=START_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise KafkaUnavailableError(f"Kafka's storage could not be formatted:\n{output[-2000:]}")

    def _settings(self) -> dict[str, str]:
        """Return the plain broker's settings."""
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            **TEST_SETTINGS,
        }

    def _run(self) -> None:
        """Start the broker and wait until it says that it serves."""
        if self._process is not None:
            return
        written = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal must reach the tests first, not the broker under them.
            self._process = subprocess.Popen(
                self._java(BROKER, str(self.folder / "server.properties")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / "pid").write_text(str(self._process.pid))
        deadline = time.monotonic() + START_TIMEOUT_S
        while STARTED not in self._log_since(written):
            if self._process.poll() is not None:
                raise KafkaUnavailableError(f"Kafka ended while it started:\n{self._log_since(written)[-4000:]}")
            if time.monotonic() > deadline:
                raise KafkaUnavailableError(
                    f"Kafka is not up after {START_TIMEOUT_S} s:\n{self._log_since(written)[-4000:]}"
                )
            time.sleep(0.05)

    def _log_since(self, offset: int) -> str:
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")

    def _java(self, main: str, *arguments: str) -> list[str]:
        flags = [*JAVA_FLAGS, f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"]
        if main == BROKER and self._java_flags:
            flags.extend(self._java_flags)
        elif archive_of(self._libs).exists():
            flags.append(f"-XX:SharedArchiveFile={archive_of(self._libs)}")
        return [shutil.which("java") or "java", *flags, "-cp", f"{self._libs}/*", main, *arguments]


def archive_of(libs: Path) -> Path:
    """Return where Java's archive of the classes in `libs` is, if it has been made."""
    return libs.with_suffix(".jsa")

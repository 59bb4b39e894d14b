"""moto in server mode as a process of its own, and a gate in front of it that can be closed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.support.kms_endpoint import REGION

if TYPE_CHECKING:
    from types_boto3_kms import KMSClient

_START_S = 30.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIAAEGISTEST", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": REGION}


class MotoKms:
    """A moto server; `create_key` makes a symmetric key in it."""

    def __init__(self) -> None:
        """Choose a free port."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the endpoint's address."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.05)
        msg = "moto does not start"
        raise RuntimeError(msg)

    def __exit__(self, *_: object) -> None:
        """End it."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def client(self) -> KMSClient:
        """Return a client of this server."""
        import boto3.session  # noqa: PLC0415 - the fixtures must load without the extra
        from botocore.config import Config  # noqa: PLC0415 - the same

        return boto3.session.Session().client(
            "kms",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=Config(retries={"total_max_attempts": 1}),
        )

    def create_key(self) -> str:
        """Make a symmetric key; returns its ARN."""
        return self.client().create_key()["KeyMetadata"]["Arn"]


class Gate:
    """Forwards TCP connections to a port, until it is closed; it can be opened again on its own port."""

    def __init__(self, target_port: int) -> None:
        """Choose a free port; nothing listens there before `open`."""
        self._target_port = target_port
        self._listener: socket.socket | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """Return the gate's address."""
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Listen and forward."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._target_port)) as far:
            back = threading.Thread(target=_pump, args=(far, near), daemon=True)
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)

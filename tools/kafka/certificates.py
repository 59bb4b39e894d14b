"""A private certificate authority in a folder, made with openssl: for test brokers only."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from tools.kafka.errors import KafkaUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

DAYS = "2"


class ClientCertificate(NamedTuple):
    """Paths of a PEM certificate and its PEM private key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates of brokers and clients; `ca_path` is what the other side trusts."""

    def __init__(self, folder: Path) -> None:
        """Make the authority's key and certificate in `folder`.  Raises KafkaUnavailableError: no openssl."""
        self._folder = folder
        self.ca_path = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            "req", "-x509", *_EC, "-keyout", str(self._key), "-out", str(self.ca_path), "-days", DAYS,
            "-subj", "/CN=aegis-stream test authority",
        )  # fmt: skip

    def issue(self, name: str) -> ClientCertificate:
        """Make a certificate for CN=`name`, fit for both ends of a connection to this machine."""
        key, request, certificate = (self._folder / f"{name}.{ending}" for ending in ("key", "csr", "crt"))
        extensions = self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n")
        self._openssl("req", *_EC, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        self._openssl(
            "x509", "-req", "-in", str(request), "-CA", str(self.ca_path), "-CAkey", str(self._key),
            "-CAcreateserial", "-days", DAYS, "-extfile", str(extensions), "-out", str(certificate),
        )  # fmt: skip
        return ClientCertificate(certificate, key)

    def keystore(self, name: str) -> Path:
        """Make a certificate for CN=`name` and put it into one PEM file as Java wants it: key, certificate, CA."""
        issued = self.issue(name)
        keystore = self._folder / f"{name}.pem"
        keystore.write_text("".join(path.read_text() for path in (issued.key, issued.certificate, self.ca_path)))
        return keystore

    def _openssl(self, *arguments: str) -> None:
        command = shutil.which("openssl")
        if command is None:
            raise KafkaUnavailableError("The secure broker needs openssl (Debian: apt-get install openssl).")
        done = subprocess.run([command, *arguments], capture_output=True, text=True, cwd=self._folder, check=False)
        if done.returncode != 0:
            raise KafkaUnavailableError(f"openssl {arguments[0]} failed:\n{done.stderr[-2000:]}")


_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")  # -newkey writes PKCS#8, as Java wants

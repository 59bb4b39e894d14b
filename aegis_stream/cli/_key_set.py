"""The files of a new deployment: one for each key, and one of variables for each role.

No role's file of variables names another role's secret.  Secrets are one line of base64 in files of mode 0600; nothing
is ever overwritten, and `remove` takes back what was written if the deployment was not published.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aegis_stream.errors import ConfigurationError
from aegis_stream.secret_files import write_secret_file
from aegis_stream.signature import AgentSigner, HybridSignature
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair
    from aegis_stream.session_signer import SessionSigner
    from aegis_stream.settings import Settings

PSEUDONYM_KEY_BYTES = 32


def _new_agent() -> AgentSigner:
    return AgentSigner.from_seed(HybridSignature.generate_keypair().private)


@dataclass(eq=False, repr=False)
class KeySet:
    """The keys of a new deployment in memory, and the files they were written to."""

    folder: Path
    enrichers: Mapping[str, SessionSigner]
    kek_public: bytes
    kek: HybridKeypair | None
    kek_out: Path | None
    agent: AgentSigner = field(
        default_factory=lambda: AgentSigner.from_seed(HybridSignature.generate_keypair().private)
    )
    written: list[Path] = field(default_factory=list)

    def write(self, settings: Settings) -> None:
        """Write every file.  Raises ConfigurationError where one exists or cannot be written; none is left then."""
        try:
            self._write(settings)
        except ConfigurationError:
            self.remove()
            raise

    def remove(self) -> None:
        """Take back what was written."""
        while self.written:
            self.written.pop().unlink(missing_ok=True)

    def _write(self, settings: Settings) -> None:
        self._make_folder()
        agent_key = self._secret("agent-signing.key", self.agent.export())
        agent_public = self._public("agent-signing.pub", self.agent.public)
        pseudonym_key = self._secret("pseudonym.key", os.urandom(PSEUDONYM_KEY_BYTES))
        kek_public = self._public("kek.pub", self.kek_public)
        common = _common(settings) | {"AEGIS_AGENT_PUBLIC_KEY_FILE": str(agent_public)}
        for name, signer in self.enrichers.items():
            session_key = self._secret(f"session-signing-{name}.key", signer.export_seed())
            self._public(f"session-signing-{name}.pub", signer.public)
            variables = {"AEGIS_SESSION_SIGNING_KEY_FILE": session_key, "AEGIS_PSEUDONYM_KEY_FILE": pseudonym_key}
            self._variables(f"{name}.env", common, variables)
        self._variables(
            "rotator.env",
            common,
            {"AEGIS_AGENT_SIGNING_KEY_FILE": agent_key, "AEGIS_MASTER_KEK_PUBLIC_FILE": kek_public},
        )
        reader: dict[str, object] = {"AEGIS_MASTER_KEK_PUBLIC_FILE": kek_public}
        if self.kek is not None and self.kek_out is not None:
            self._write_secret(self.kek_out, self.kek.private)
            reader["AEGIS_MASTER_KEK_PRIVATE_FILE"] = self.kek_out.resolve()
        self._variables("reader.env", common, reader)
        self._variables("operator.env", common, {})

    def _make_folder(self) -> None:
        problem = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            problem = error.strerror or "unknown cause"
        if problem:
            raise ConfigurationError(
                f"the folder {self.folder} cannot be made ({problem})", remedy="name a folder of your own with --out"
            )
        self.folder = self.folder.resolve()

    def _secret(self, name: str, raw: bytes) -> Path:
        return self._write_secret(self.folder / name, raw)

    def _write_secret(self, path: Path, raw: bytes) -> Path:
        write_secret_file(path, b64encode(raw))
        self.written.append(path)
        return path

    def _public(self, name: str, raw: bytes) -> Path:
        return self._text(name, b64encode(raw), mode=0o644)

    def _variables(self, name: str, common: Mapping[str, str], own: Mapping[str, object]) -> None:
        lines = [f"{variable}={shlex.quote(str(value))}" for variable, value in {**common, **own}.items()]
        self._text(name, "\n".join(lines), mode=0o600)

    def _text(self, name: str, text: str, *, mode: int) -> Path:
        path = self.folder / name
        problem = ""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            self.written.append(path)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text + "\n")
        except FileExistsError:
            problem = "exists already and is not overwritten"
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
        if problem:
            raise ConfigurationError(f"the file {path} {problem}", remedy="name a new folder with --out")
        return path


def _common(settings: Settings) -> dict[str, str]:
    """Return the variables of every role: where, and what differs from the defaults."""
    common = {"AEGIS_BROKER": settings.broker, "AEGIS_DEPLOYMENT": settings.deployment}
    for name in _differing(settings, ("environment", *_TOPICS, *_KAFKA)):
        common[f"AEGIS_{name.upper()}"] = str(getattr(settings, name))
    return common


_TOPICS = ("topic_raw", "topic_encrypted", "topic_dead_letter", "topic_dead_letter_state", "topic_control")
# A user, a password and a client certificate belong to whoever runs this command; every role has its own.
_KAFKA = ("kafka_security_protocol", "kafka_sasl_mechanism", "kafka_ssl_cafile")


def _differing(settings: Settings, names: Iterable[str]) -> list[str]:
    fields = type(settings).model_fields
    return [name for name in names if getattr(settings, name) != fields[name].default]

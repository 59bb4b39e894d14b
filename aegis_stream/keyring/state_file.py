"""The little that outlives a restart: which manifest was taken or published last.

A topic can be rolled back by whoever runs the broker; a process with a disk notices.  The file is JSON,

    {"v": 1, "deployment": …, "published": {"sequence", "sha256"}, "intended": {"sequence", "sha256"}}

`published` is the manifest that is known to be on the topic; below it nobody starts.  `intended` is there while the
agent publishes the next: killed in between, it goes on from the topic, above both.  Nothing in it is secret.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from aegis_stream.errors import ConfigurationError, ManifestRefusedError
from aegis_stream.keyring.entries import SHA256_HEX
from aegis_stream.keyring.manifest import FORMAT_VERSION
from aegis_stream.keyring.strict_json import Members

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class KnownSequence:
    """A manifest by its sequence and the SHA-256 (hex) of its record on the topic."""

    sequence: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KnownState:
    """What the file says; see the module."""

    published: KnownSequence | None = None
    intended: KnownSequence | None = None

    @property
    def highest_sequence(self) -> int:
        """The highest sequence that may ever have been seen by anybody."""
        return max(known.sequence if known is not None else 0 for known in (self.published, self.intended))


class StateFile:
    """One deployment's file; written whole, synced to disk and then put in place of the old one."""

    def __init__(self, path: Path, *, deployment: str) -> None:
        """Nothing is read or written yet."""
        self.path = path
        self._deployment = deployment

    def load(self) -> KnownState:
        """Return what it says; an empty state where there is no file.

        Raises ConfigurationError: it cannot be read, is damaged, or belongs to another deployment.
        """
        state: KnownState | None = None
        problem = "is damaged, or of another deployment"
        try:
            state = self._parse(self.path.read_bytes())
        except FileNotFoundError:
            state = KnownState()
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        except ManifestRefusedError:
            state = None
        if state is None:
            raise ConfigurationError(
                f"the state file {self.path} {problem}",
                remedy="it guards against a control topic that was rolled back: remove it only when you know why",
            )
        return state

    def store(self, state: KnownState) -> None:
        """Write the state; once this returns it is on the disk.

        Raises ConfigurationError: the folder cannot be made or written.
        """
        shape: dict[str, object] = {"v": FORMAT_VERSION, "deployment": self._deployment}
        for name, known in (("published", state.published), ("intended", state.intended)):
            if known is not None:
                shape[name] = {"sequence": known.sequence, "sha256": known.sha256}
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        problem = ""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with new.open("wb") as file:
                file.write(orjson.dumps(shape) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            problem = error.strerror or "unknown cause"
        if problem:
            raise ConfigurationError(
                f"the state file {self.path} cannot be written ({problem})",
                remedy="let AEGIS_STATE_DIR name a folder that this process may write",
            )

    def raise_to(self, known: KnownSequence) -> None:
        """Store a follower's manifest unless the file knows a higher one: several processes may share it.

        Raises as `load` and `store`.
        """
        state = self.load()
        if known.sequence > state.highest_sequence:
            self.store(KnownState(published=known))

    def _parse(self, raw: bytes) -> KnownState:
        members = Members.parse(raw, record="state file", max_bytes=_MAX_BYTES)
        members.whole("v", least=FORMAT_VERSION, most=FORMAT_VERSION)
        members.expect("deployment", self._deployment)
        state = KnownState(_take_known(members, "published"), _take_known(members, "intended"))
        members.done()
        return state


def _take_known(members: Members, name: str) -> KnownSequence | None:
    if not members.has(name):
        return None
    inner = members.members(name, what=name)
    known = KnownSequence(inner.whole("sequence", least=1), inner.text("sha256", SHA256_HEX))
    inner.done()
    return known


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

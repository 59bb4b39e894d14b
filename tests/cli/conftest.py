"""Fixtures of the command line's tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import pytest

from aegis_stream.hybrid import HybridKEM
from aegis_stream.secret_files import write_secret_file
from aegis_stream.wire import b64encode
from tests.support.command_line import CommandLine

if TYPE_CHECKING:
    from pathlib import Path

DEK = "dek-v1-20260101"


class KeyFiles(NamedTuple):
    """A HybridKEM keypair in files, as `--public-key` and `--private-key` take them."""

    public: Path
    private: Path


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away every AEGIS_ variable of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("AEGIS_"):
            monkeypatch.delenv(name)


@pytest.fixture
def aegis(
    clean_environment: None,  # noqa: ARG001 - wanted for what it does
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> CommandLine:
    """Return what runs `aegis`."""
    monkeypatch.setenv("COLUMNS", "120")
    return CommandLine(monkeypatch, capsysbinary)


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """Make a keypair once."""
    folder = tmp_path_factory.mktemp("keys")
    pair = HybridKEM.generate_keypair()
    files = KeyFiles(folder / "dek.pub", folder / "dek.key")
    files.public.write_text(b64encode(pair.public) + "\n")
    write_secret_file(files.private, b64encode(pair.private))
    return files

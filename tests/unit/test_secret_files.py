"""Files of secrets: who may read them, and that none is ever overwritten."""

from __future__ import annotations

import base64
import os
import traceback
from pathlib import Path

import pytest

from aegis_stream.errors import AegisError, ConfigurationError, KeyRefusedError
from aegis_stream.secret_files import (
    check_new_file,
    check_secret_file,
    read_public_file,
    read_secret_file,
    write_secret_file,
)
from tests.support.secret_file import secret_file

SEED = base64.b64encode(bytes(range(32))).decode()


def test_a_mounted_secret_may_be_readable_by_its_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Kubernetes gives a pod with an fsGroup secrets of root's with mode 0440: that is the one way to read them."""
    path = secret_file(tmp_path, SEED, mode=0o440)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)  # the file is another user's; giving it away needs root
    assert read_secret_file(path, name="X") == SEED

    path.chmod(0o444)
    with pytest.raises(KeyRefusedError):
        read_secret_file(path, name="X")


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "large", "binary"])
def test_a_file_that_is_no_secret_is_refused(tmp_path: Path, kind: str) -> None:
    """Each with what is wrong about it, and none with what stands in it."""
    path = tmp_path / "f"
    if kind == "folder":
        path.mkdir(mode=0o700)
    elif kind != "missing":
        path.write_bytes({"empty": b"\n", "large": b"A" * 70_000, "binary": b"canary\xff"}[kind])
        path.chmod(0o600)
    with pytest.raises(AegisError) as caught:
        read_secret_file(path, name="AEGIS_X_FILE")

    assert "AEGIS_X_FILE" in str(caught.value)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("kind", ["missing", "large", "binary"])
def test_a_public_file_that_is_no_text_is_refused(tmp_path: Path, kind: str) -> None:
    """A wrong path in a command is the commonest mistake there is."""
    path = tmp_path / "f"
    if kind != "missing":
        path.write_bytes({"large": b"A" * 70_000, "binary": b"canary\xff"}[kind])
    with pytest.raises(ConfigurationError) as caught:
        read_public_file(path, name="--policy")

    assert str(caught.value).startswith("--policy: the file ")
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_tls_key_is_checked_like_a_secret(tmp_path: Path) -> None:
    """The TLS library reads it by itself and would not mind."""
    with pytest.raises(KeyRefusedError):
        check_secret_file(secret_file(tmp_path, "x", mode=0o644), name="X")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        check_secret_file(tmp_path / "missing", name="X")
    with pytest.raises(ConfigurationError, match="no regular file"):
        check_secret_file(Path("/dev/null"), name="X")


def test_a_written_secret_is_private_and_never_overwritten(tmp_path: Path) -> None:
    """The other key would be lost, and with it what it protects."""
    path = tmp_path / "key"
    write_secret_file(path, SEED)

    assert path.stat().st_mode & 0o777 == 0o600
    assert read_secret_file(path, name="X") == SEED
    check_secret_file(path, name="X")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        write_secret_file(path, "other")
    assert path.read_text() == SEED + "\n"
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_secret_file(tmp_path / "no" / "folder", "x")


def test_a_new_file_is_looked_for_before_a_secret_is_made(tmp_path: Path) -> None:
    """A key made in a token, whose file then cannot be written, would be there for nothing."""
    path = tmp_path / "key"
    check_new_file(path)
    assert not path.exists()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="never overwritten"):
        check_new_file(path)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        check_new_file(tmp_path / "no" / "folder")

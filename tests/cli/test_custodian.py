"""`aegis custodian`: keys stay with their custodians, and signatures are those of the library."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import pty
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aegis_stream.custodian import BIP322Provider, OverrideRequest, custodian_key_id, decode_simple
from aegis_stream.wire import b64decode, b64encode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import CommandLine

DIGEST = hashlib.sha256(b"a message").digest()
PROVIDER = BIP322Provider()


@pytest.fixture
def key(aegis: CommandLine, tmp_path: Path) -> Path:
    """Make a key by the command itself."""
    path = tmp_path / "risk-lead.key"
    assert aegis("custodian", "new", "--out", path).code == 0
    return path


def public_of(key: Path) -> bytes:
    """Return the public key beside a private one."""
    return b64decode(key.with_suffix(".pub").read_text().strip())


def test_new_key_is_for_its_owner_alone(aegis: CommandLine, tmp_path: Path) -> None:
    """The private key is in a file of mode 0600 and nowhere in what is printed."""
    path = tmp_path / "lead.key"
    ended = aegis("custodian", "new", "--out", path)
    private = path.read_text().strip()
    assert ended.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(b64decode(private)) == 32
    assert ended.out.decode().strip() == b64encode(PROVIDER.public_key(b64decode(private)))
    assert public_of(path) == PROVIDER.public_key(b64decode(private))
    assert private not in ended.out.decode() + ended.err


def test_new_overwrites_nothing_and_leaves_nothing_half_done(aegis: CommandLine, key: Path, tmp_path: Path) -> None:
    """A lost custodian's key needs a replacement with a wait of days."""
    before = key.read_text()
    assert aegis("custodian", "new", "--out", key).code == 2
    assert key.read_text() == before
    only_private = tmp_path / "other.key"
    only_private.write_text("x")
    assert aegis("custodian", "new", "--out", only_private).code == 2
    assert not only_private.with_suffix(".pub").exists()
    assert aegis("custodian", "new", "--out", tmp_path / "no" / "folder.key").code == 2
    plain = tmp_path / "plain"
    assert aegis("custodian", "new", "--out", plain).code == 0
    assert (tmp_path / "plain.pub").exists()


@pytest.mark.parametrize("command", [("custodian", "new"), ("enricher", "new"), ("keys", "new-agent")], ids=" ".join)
def test_private_key_never_gets_the_name_of_a_public_one(
    aegis: CommandLine, tmp_path: Path, command: tuple[str, str]
) -> None:
    """It would be handed over; and of a pair nothing is left where one half cannot be written."""
    ended = aegis(*command, "--out", tmp_path / "lead.pub")
    assert (ended.code, "lead.key" in ended.err) == (2, True)
    (tmp_path / "taken.key").write_text("x")
    (tmp_path / "other.pub").mkdir()
    for name in ("taken.key", "other.key"):
        assert aegis(*command, "--out", tmp_path / name).code == 2
    assert {path.name for path in tmp_path.iterdir()} == {"taken.key", "other.pub"}
    assert aegis(*command, "--out", tmp_path / "lead.key").code == 0
    assert stat.S_IMODE((tmp_path / "lead.key").stat().st_mode) == 0o600


def test_show_prints_the_public_key_alone(aegis: CommandLine, key: Path) -> None:
    """On standard output, so that it can be piped into a file."""
    ended = aegis("custodian", "show", "--key", key)
    assert ended.out.decode() == key.with_suffix(".pub").read_text()
    assert custodian_key_id(public_of(key)) in ended.err
    shown = json.loads(aegis("custodian", "show", "--key", key, "--json").out)
    assert shown == {"key_id": custodian_key_id(public_of(key)), "public_key": b64encode(public_of(key))}


def test_key_may_come_from_standard_input(aegis: CommandLine, key: Path) -> None:
    """From a password manager, without a file."""
    assert b64decode(aegis("custodian", "show", "--key", "-", stdin=key.read_bytes()).out.decode().strip()) == (
        public_of(key)
    )


@pytest.mark.parametrize("stdin", [b"", b"\n", b"not base64!\n", b"\xff\xfe\n", b64encode(bytes(32)).encode()])
def test_what_is_no_key_is_refused_and_not_repeated(aegis: CommandLine, stdin: bytes) -> None:
    """It may be somebody's password, pasted into the wrong window."""
    ended = aegis("custodian", "show", "--key", "-", stdin=stdin)
    assert ended.code in {1, 2}
    assert ended.out == b""
    assert not stdin.strip() or stdin.strip().decode("ascii", "replace") not in ended.err


def test_key_file_that_others_can_read_is_refused(aegis: CommandLine, key: Path) -> None:
    """Also the public file, which looks the same."""
    key.chmod(0o640)
    ended = aegis("custodian", "show", "--key", key)
    assert ended.code == 1
    assert "can be reached by other users" in ended.err
    assert aegis("custodian", "show", "--key", key.with_suffix(".pub")).code == 1


def test_no_command_takes_a_key_as_an_argument(aegis: CommandLine, key: Path) -> None:
    """Arguments are seen by every user of the machine."""
    ended = aegis("custodian", "show", "--key", key.read_text().strip())
    assert ended.code == 2
    assert ended.out == b""


def test_without_a_terminal_nobody_is_asked(aegis: CommandLine) -> None:
    """A script must not hang."""
    ended = aegis("custodian", "show")
    assert ended.code == 2
    assert "--key -" in ended.err


def test_key_typed_at_the_prompt_is_not_shown(key: Path) -> None:
    """On a real terminal."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; from aegis_stream.cli import main; sys.exit(main(['custodian', 'show']))"],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, "TERM": "dumb"},
    ) as process:
        os.close(terminal)
        seen = b""
        while b"not shown" not in seen:
            seen += os.read(controller, 1024)
        os.write(controller, key.read_bytes())
        assert process.stdout is not None
        out = process.stdout.read()
        while True:
            try:
                chunk = os.read(controller, 1024)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk
    os.close(controller)
    assert out.decode() == key.with_suffix(".pub").read_text()
    assert key.read_bytes().strip() not in seen


def test_sign_signs_a_hash(aegis: CommandLine, key: Path) -> None:
    """As the library does, in base64 or in the form that other BIP-322 software takes."""
    signature = b64decode(aegis("custodian", "sign", DIGEST.hex(), "--key", key).out.decode().strip())
    assert PROVIDER.verify(public_of(key), DIGEST, signature)
    text = aegis("custodian", "sign", DIGEST.hex(), "--key", key, "--bip322").out.decode().strip()
    assert PROVIDER.verify(public_of(key), DIGEST, decode_simple(text))


@pytest.mark.parametrize("digest", ["", "zz" * 32, DIGEST.hex().upper(), DIGEST.hex()[:-2], DIGEST.hex() + "\n"])
def test_sign_takes_nothing_but_a_hash(aegis: CommandLine, key: Path, digest: str) -> None:
    """A message in its place would be signed by nobody's intention."""
    ended = aegis("custodian", "sign", digest, "--key", key)
    assert (ended.code, ended.out) == (1, b"")


def event(hours: int = 2, *, ago: int = 0) -> dict[str, str]:
    """Return an override request of now."""
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(hours=ago)
    form = "%Y-%m-%dT%H:%M:%SZ"
    return {
        "override_id": "ovr-1",
        "requested_by": "canary-requester",
        "requested_at": begin.strftime(form),
        "expires_at": (begin + dt.timedelta(hours=hours)).strftime(form),
        "override_justification": "canary-justification",
    }


def test_sign_signs_an_override_event(aegis: CommandLine, key: Path) -> None:
    """And shows what is signed without repeating what is personal."""
    request = event()
    raw = json.dumps(request).encode()
    ended = aegis("custodian", "sign", "--override", "-", "--key", key, stdin=raw)
    message_hash = OverrideRequest.from_event(request).message_hash()
    assert PROVIDER.verify(public_of(key), message_hash, b64decode(ended.out.decode().strip()))
    assert message_hash.hex() in ended.err
    assert request["expires_at"] in ended.err
    assert "canary" not in ended.err


@pytest.mark.parametrize(
    ("raw", "code", "told"),
    [
        (b"[]", 2, "not one JSON object"),
        (b"{", 2, "not one JSON object"),
        (b"{}", 1, "malformed at /override_id"),
        (json.dumps(event(25)).encode(), 1, "window"),
        (json.dumps(event(2, ago=3)).encode(), 1, "expired"),
        (b" " * 1_048_577, 2, "1 MiB"),
    ],
    ids=["list", "garbage", "empty", "too long", "over", "too large"],
)
def test_sign_refuses_an_override_that_nobody_would_count(
    aegis: CommandLine, key: Path, raw: bytes, code: int, told: str
) -> None:
    """Better now than at the audit."""
    ended = aegis("custodian", "sign", "--override", "-", "--key", key, stdin=raw)
    assert (ended.code, ended.out) == (code, b"")
    assert told in ended.err
    assert "canary" not in ended.err


def test_sign_wants_one_thing_and_two_sources(aegis: CommandLine, key: Path) -> None:
    """Nothing, or both, is a usage error; and standard input can be read once."""
    assert aegis("custodian", "sign", "--key", key).code == 2
    assert aegis("custodian", "sign", DIGEST.hex(), "--override", "-", "--key", key).code == 2
    assert aegis("custodian", "sign", "--override", "-", "--key", "-").code == 2

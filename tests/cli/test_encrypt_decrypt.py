"""`aegis encrypt` and `aegis decrypt` with keys given by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import orjson
import pytest

from aegis_stream.generator import generate_events

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import KeyFiles
    from tests.support.command_line import CommandLine

DEK = "dek-v1-20260101"
EVENTS = b"".join(orjson.dumps(event) + b"\n" for event in generate_events(seed=2, count=1_200))
MIXED = b'{"actor_id":"canary-one"}\n\nno json canary-two\n{"_aegis":1}\n{"signer_id":"canary-three"}\n'


@pytest.fixture
def to_key(key_files: KeyFiles) -> list[str]:
    """Return the arguments of `aegis encrypt`."""
    return ["encrypt", "--public-key", str(key_files.public), "--dek-version", DEK]


@pytest.fixture
def with_key(key_files: KeyFiles) -> list[str]:
    """Return the arguments of `aegis decrypt`."""
    return ["decrypt", "--private-key", str(key_files.private), "--dek-version", DEK]


def test_what_was_encrypted_through_pipes_comes_back_to_the_byte(
    aegis: CommandLine, to_key: list[str], with_key: list[str]
) -> None:
    """More than one batch, through standard input and output."""
    encrypted = aegis(*to_key, stdin=EVENTS)
    assert (encrypted.code, encrypted.out.count(b"\n")) == (0, 1_200)
    assert b".example" not in encrypted.out
    assert encrypted.err == "aegis: 1,200 events encrypted\n"

    decrypted = aegis(*with_key, "--quiet", stdin=encrypted.out)
    assert decrypted == (0, EVENTS, "")


def test_files_work_like_pipes(aegis: CommandLine, to_key: list[str], with_key: list[str], tmp_path: Path) -> None:
    """The file appears under its name, whole, and nothing else stays in the folder."""
    source, middle, target = (tmp_path / name for name in ("in.jsonl", "middle.jsonl", "out.jsonl"))
    source.write_bytes(EVENTS)

    assert aegis(*to_key, "--in", source, "--out", middle).code == 0
    assert aegis(*with_key, "-i", middle, "-o", target).code == 0
    assert target.read_bytes() == EVENTS
    assert sorted(tmp_path.iterdir()) == sorted([source, middle, target])
    assert target.stat().st_mode & 0o777 == 0o600  # it holds personal data


def test_a_device_is_written_to_and_not_replaced(aegis: CommandLine, to_key: list[str], tmp_path: Path) -> None:
    """A named pipe or /dev/null is no file that could be renamed."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(pipe.read_bytes)
        assert aegis(*to_key, "--out", pipe, stdin=EVENTS).code == 0
        assert reading.result(30).count(b"\n") == 1_200
    assert pipe.is_fifo()


def test_a_refused_line_is_named_and_ends_the_command(aegis: CommandLine, to_key: list[str], tmp_path: Path) -> None:
    """The output file would otherwise look complete."""
    target = tmp_path / "out.jsonl"
    ended = aegis(*to_key, "--out", target, stdin=MIXED)

    assert ended.code == 1
    assert ended.err.splitlines()[0] == "aegis: error: line 3 refused: not-json"
    assert "--keep-going" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_keep_going_passes_over_refused_lines_and_says_so_in_the_end(aegis: CommandLine, to_key: list[str]) -> None:
    """Every refused line has its number, reason and path, and no word of what stood there."""
    ended = aegis(*to_key, "--keep-going", stdin=MIXED)

    assert ended.code == 1
    assert ended.out.count(b"\n") == 2
    assert ended.err.splitlines() == [
        "aegis: error: line 3 refused: not-json",
        "aegis: error: line 4 refused: has-aegis at /_aegis",
        "aegis: 2 events encrypted, 2 refused",
    ]
    assert b"canary" not in ended.out
    assert "canary" not in ended.err


def test_an_event_that_was_tampered_with_is_refused_with_its_path(
    aegis: CommandLine, to_key: list[str], with_key: list[str]
) -> None:
    """Swapping two fields of an event is the oldest trick."""
    encrypted = orjson.loads(aegis(*to_key, stdin=b'{"actor_id":"a","signer_id":"b"}\n').out)
    encrypted["actor_id"], encrypted["signer_id"] = encrypted["signer_id"], encrypted["actor_id"]
    ended = aegis(*with_key, stdin=orjson.dumps(encrypted))

    assert (ended.code, ended.out) == (1, b"")
    assert ended.err.startswith("aegis: error: line 1 refused: tag at /actor_id\n")


def test_the_wrong_version_is_refused(aegis: CommandLine, to_key: list[str], key_files: KeyFiles) -> None:
    """A key opens the events of its own version only."""
    encrypted = aegis(*to_key, stdin=b'{"actor_id":"a"}').out
    ended = aegis("decrypt", "--private-key", key_files.private, "--dek-version", "dek-v2-20260101", stdin=encrypted)

    assert (ended.code, ended.err.splitlines()[0]) == (1, "aegis: error: line 1 refused: dek-unknown")


def test_a_policy_by_hand_decides_what_is_encrypted(
    aegis: CommandLine, to_key: list[str], with_key: list[str], tmp_path: Path
) -> None:
    """Recovery needs the policy of the version, as the manifest of that time held it."""
    policy = tmp_path / "policy.json"
    policy.write_text('{"id":"p","names":["mail"],"pointers":["/who/*/name"],"exclude":["signer_id"]}')
    event = b'{"mail":"m","who":[{"name":"n","age":3}],"signer_id":"s"}\n'
    encrypted = aegis(*to_key, "--policy", policy, stdin=event)

    assert set(orjson.loads(encrypted.out)["mail"]) >= {"_ciphertext"}
    assert orjson.loads(encrypted.out)["signer_id"] == "s"
    assert "warning" in encrypted.err
    assert "signer_id" in encrypted.err
    assert aegis(*with_key, "--policy", policy, stdin=encrypted.out).out == event
    assert "plaintext at /signer_id" in aegis(*with_key, stdin=encrypted.out).err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["encrypt", "--public-key", "{public}"], 2, "needs --dek-version"),
        (["encrypt", "--public-key", "{public}", "--dek-version", "v1"], 1, "dek"),
        (["encrypt", "--public-key", "{private}", "--dek-version", DEK], 1, "public key"),
        (["encrypt", "--public-key", "/nowhere", "--dek-version", DEK], 2, "/nowhere cannot be read"),
        (["encrypt", "--dek-version", DEK], 2, "go with --public-key"),
        (["decrypt", "--dek-version", DEK], 2, "go with --private-key"),
        (["decrypt", "--private-key", "{public}", "--dek-version", DEK], 1, "can be reached by other users"),
        (["encrypt", "--public-key", "{public}", "--dek-version", DEK, "--in", "/nowhere"], 2, "cannot be read"),
        (["encrypt", "--public-key", "{public}", "--dek-version", DEK, "--out", "/no/where"], 2, "cannot be written"),
        (["encrypt", "--public-key", "{public}", "--dek-version", DEK, "--policy", "{public}"], 2, "policy"),
        (["encrypt"], 2, "AEGIS_AGENT_PUBLIC_KEY"),
        (["decrypt"], 2, "KEK"),
    ],
)
def test_wrong_arguments_say_what_to_do(
    aegis: CommandLine, key_files: KeyFiles, arguments: list[str], code: int, told: str
) -> None:
    """Two lines, `aegis: error:` and mostly `aegis: hint:`, and never a traceback."""
    key_files.public.chmod(0o644)
    filled = [text.format(public=key_files.public, private=key_files.private) for text in arguments]
    ended = aegis(*filled, stdin=b'{"actor_id":"a"}\n')

    assert (ended.code, ended.out) == (code, b"")
    assert ended.err.startswith("aegis: error: ")
    assert told in ended.err
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) <= 2
    assert key_files.private.read_text().strip()[:40] not in ended.err


def test_a_reader_that_goes_away_is_no_traceback(to_key: list[str], tmp_path: Path) -> None:
    """`aegis encrypt … | head -1` is an everyday use."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(EVENTS)
    command = [sys.executable, "-c", "import sys; from aegis_stream.cli import main; sys.exit(main())", *to_key]
    with subprocess.Popen([*command, "--in", str(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
        process.wait(30)

    assert told == b""
    assert process.returncode == 1

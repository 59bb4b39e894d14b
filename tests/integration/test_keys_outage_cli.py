"""`aegis keys init` where the broker does not answer: keys are kept exactly if they may be needed."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from aegis_stream.cli import main
from aegis_stream.client.control_writer import ControlWriter
from aegis_stream.errors import BrokerReason, BrokerUnavailableError
from tests.support.control_topic import make_topic, read_all
from tests.support.key_files import followed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.kafka


@pytest.fixture(autouse=True)
def topic(kafka: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a control topic, and point the environment at it and at nothing else."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    topic = topic_name("control")
    monkeypatch.setenv("AEGIS_BROKER", kafka)
    monkeypatch.setenv("AEGIS_DEPLOYMENT", topic_name("d")[:90])
    monkeypatch.setenv("AEGIS_TOPIC_CONTROL", topic)
    asyncio.run(make_topic(kafka, topic, cleanup_policy="compact"))
    return topic


@pytest.mark.parametrize("written", [False, True], ids=["not written", "written"])
def test_answer_that_never_came_is_found_out(
    kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, written: bool
) -> None:
    """Keys are kept exactly if the topic has the manifest that needs them."""
    real = ControlWriter.write

    async def unanswered(writer: ControlWriter, records: list[tuple[str, bytes | None]]) -> list[int]:
        if written:
            await real(writer, records)
        raise BrokerUnavailableError(BrokerReason.TIMEOUT, "no answer")

    monkeypatch.setattr(ControlWriter, "write", unanswered)
    folder = tmp_path / "keys"
    code = main(["keys", "init", "--out", str(folder), "--kek-out", str(tmp_path / "kek.key")])
    if written:
        assert code == 0
        assert followed(kafka, topic, folder).active() is not None
    else:
        assert code == 3
        assert list(folder.iterdir()) == []
        assert not (tmp_path / "kek.key").exists()
        assert asyncio.run(read_all(kafka, topic)) == []


def test_keys_stay_where_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the broker went away at the wrong moment, the manifest may be there, and without its keys all were lost."""
    real = ControlWriter.__aenter__
    begun: list[int] = []

    async def begin_once(writer: ControlWriter) -> ControlWriter:
        begun.append(1)
        if len(begun) > 1:
            await writer.__aexit__()
            raise BrokerUnavailableError(BrokerReason.UNREACHABLE, "away")
        return await real(writer)

    async def unanswered(_writer: ControlWriter, _records: object) -> list[int]:
        raise BrokerUnavailableError(BrokerReason.TIMEOUT, "no answer")

    monkeypatch.setattr(ControlWriter, "__aenter__", begin_once)
    monkeypatch.setattr(ControlWriter, "write", unanswered)
    folder = tmp_path / "keys"
    assert main(["keys", "init", "--out", str(folder), "--kek-out", str(tmp_path / "kek.key")]) == 3
    assert f"the keys stay in {folder}" in capsys.readouterr().err
    assert (folder / "agent-signing.key").exists()
    assert (tmp_path / "kek.key").exists()


def test_missing_topic_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`aegis topics create` comes first."""
    monkeypatch.setenv("AEGIS_TOPIC_CONTROL", "aegis.nowhere")
    assert main(["keys", "init", "--out", str(tmp_path / "keys")]) == 3
    captured = capsys.readouterr()
    assert "there is no topic aegis.nowhere" in captured.err
    assert "AEGIS_MASTER_KEK_PRIVATE" not in captured.out
    assert list(tmp_path.iterdir()) == []

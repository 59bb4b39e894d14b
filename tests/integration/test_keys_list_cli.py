"""`aegis keys list` on a real broker."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import os
from typing import TYPE_CHECKING

import pytest

from aegis_stream.cli import main
from aegis_stream.custodian import BIP322Provider, custodian_key_id
from aegis_stream.wire import b64decode, b64encode
from tests.support.control_topic import make_topic, publish
from tests.support.keyrings import AGENT, Deployment

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


def test_list_shows_what_init_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Policy, custodians, enrichers and recovery key arrive in the manifest."""
    (tmp_path / "policy.json").write_text(json.dumps({"id": "wide", "names": ["iban"], "exclude": ["actor_id"]}))
    for name in ("risk", "security", "recovery"):
        (tmp_path / f"{name}.pub").write_text(b64encode(BIP322Provider().generate_keypair().public) + "\n")
    folder = tmp_path / "keys"
    options = {
        "--policy": tmp_path / "policy.json",
        "--risk-lead": tmp_path / "risk.pub",
        "--security-lead": tmp_path / "security.pub",
        "--recovery-key": tmp_path / "recovery.pub",
        "--kek-out": tmp_path / "kek.key",
        "--out": folder,
    }
    arguments = [text for name, path in options.items() for text in (name, str(path))]
    assert main(["keys", "init", *arguments, "--enricher", "east", "--enricher", "west"]) == 0
    assert "actor_id" in capsys.readouterr().err
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY_FILE", str(folder / "agent-signing.pub"))
    assert main(["keys", "list", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["sequence"], shown["freshness"], shown["recovery_key"]) == (1, "fresh", True)
    (dek,) = shown["deks"]
    assert (dek["state"], dek["policy"], dek["signed"], dek["record"]) == ("active", "wide", True, "ok")
    assert 0 <= dek["age_s"] < 600
    assert shown["policies"][0]["names"] == ["iban"]
    assert [key["role"] for key in shown["custodians"]] == ["risk-lead", "security-lead"]
    publics = [b64decode((tmp_path / f"{name}.pub").read_text().strip()) for name in ("risk", "security", "recovery")]
    ids = [*(key["id"] for key in shown["custodians"]), shown["recovery_key_id"]]
    assert ids == [custodian_key_id(public) for public in publics]
    assert [key["first_n"] for key in shown["enrichers"]] == [1, 1]
    assert shown["keks"] == [{"id": dek["keks"][0], "state": "current"}]
    assert main(["keys", "list"]) == 0
    table = capsys.readouterr().out
    for text in (dek["version"], "active", "wide", "risk-lead", "0 min", *ids):
        assert text in table


def test_list_shows_states_and_what_is_wrong(
    kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An expired manifest is shown, and said to be one; so are a lost record and refused ones."""
    old = Deployment(name=os.environ["AEGIS_DEPLOYMENT"], started=dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
    lost = old.first.writes[-1:]
    change = old.rotate(dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    forged = old.sign(old.manifest)[:-1]
    asyncio.run(publish(kafka, topic, type(change)(old.first.manifest, lost), change))
    asyncio.run(publish(kafka, topic, type(change)(old.manifest, (("manifest", forged),))))
    (tmp_path / "agent.pub").write_text(base64.b64encode(AGENT.public).decode())
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY_FILE", str(tmp_path / "agent.pub"))
    assert main(["keys", "list"]) == 0
    captured = capsys.readouterr()
    assert "2 d 0 h" in captured.out
    assert "decrypt-only" in captured.out
    assert "the manifest expired at" in captured.err
    assert f"the record of {old.manifest.deks[0].version} is missing" in captured.err
    assert "refused: envelope" in captured.err


def test_list_says_why_there_is_nothing(
    kafka: str, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No manifest, no pinned key, and the wrong one are three different things."""
    assert main(["keys", "list"]) == 2
    assert "AEGIS_AGENT_PUBLIC_KEY" in capsys.readouterr().err
    (tmp_path / "agent.pub").write_text(base64.b64encode(AGENT.public).decode())
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY_FILE", str(tmp_path / "agent.pub"))
    assert main(["keys", "list"]) == 3
    assert "aegis keys init" in capsys.readouterr().err
    other = Deployment(name="other", started=dt.datetime.now(dt.UTC))
    asyncio.run(publish(kafka, topic, other.first))
    assert main(["keys", "list"]) == 1
    assert "of another deployment" in capsys.readouterr().err

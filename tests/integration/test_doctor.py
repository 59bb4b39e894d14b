"""`aegis doctor` against a real broker: a deployment that is fit, and what it says of one that is not."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from aegis_stream.cli import main
from aegis_stream.hybrid import HybridKEM
from aegis_stream.signature import HybridSignature
from aegis_stream.wire import b64encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aegis_stream.hybrid import HybridKeypair

pytestmark = pytest.mark.kafka
ROLES = ("raw", "encrypted", "dead_letter", "dead_letter_state", "control")


@pytest.fixture
def topics(kafka: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Point the environment at a broker and at topics that are made."""
    for name in [name for name in os.environ if name.startswith("AEGIS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AEGIS_BROKER", kafka)
    monkeypatch.setenv("AEGIS_DEPLOYMENT", topic_name("d")[:90])
    monkeypatch.setenv("AEGIS_STATE_DIR", str(tmp_path / "state"))
    for role in ROLES:
        monkeypatch.setenv(f"AEGIS_TOPIC_{role.upper()}", topic_name(role))
    assert main(["topics", "create", "--partitions", "2"]) == 0


@pytest.fixture
def deployment(topics: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kek_pair: HybridKeypair) -> Path:
    """Make the keys of a deployment, and give this process those of every role; returns their folder."""
    del topics
    folder = tmp_path / "keys"
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", b64encode(kek_pair.public))
    assert main(["keys", "init", "--out", str(folder)]) == 0
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE", b64encode(kek_pair.private))
    for role in ("enricher", "rotator"):
        for line in (folder / f"{role}.env").read_text().splitlines():
            name, _, value = line.partition("=")
            if name != "AEGIS_MASTER_KEK_PUBLIC_FILE":
                monkeypatch.setenv(name, shlex.split(value)[0])
    return folder


def look(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    """Run it; returns the worst row of each area and what, and `safe` as the row of nothing."""
    capsys.readouterr()
    code = main(["doctor", "--json", *words])
    told = json.loads(capsys.readouterr().out)
    assert code == (0 if told["safe"] else 1)
    ranks = ["skipped", "ok", "warning", "failed"]
    rows = sorted(told["checks"], key=lambda row: ranks.index(row["status"]))
    return {f"{row['area']}/{row['what']}": row for row in rows} | {"": told}


@pytest.mark.usefixtures("deployment")
def test_fit_deployment_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is looked at, nothing is written, and the KEK really opens the active DEK."""
    rows = look(capsys)
    assert rows[""]["safe"], rows
    assert rows["kafka/connection"]["found"] == "1 broker over PLAINTEXT"
    assert rows["topics/settings"]["status"] == "ok"
    assert rows["control/manifest"]["found"].startswith("sequence 1, until ")
    assert rows["control/active DEK"]["found"].endswith("opened by this KEK")
    assert rows["control/session key"]["status"] == "ok"
    assert rows["control/agent key"]["status"] == "ok"
    assert rows["clock/agent's clock"]["status"] == "ok"
    for role in ("reader", "enricher", "rotator"):
        assert look(capsys, "--for", role)[""]["safe"]


@pytest.mark.usefixtures("deployment")
def test_kek_of_another_deployment_is_not_safe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider works, and would open nothing here."""
    other = HybridKEM.generate_keypair()
    monkeypatch.setenv("AEGIS_MASTER_KEK_PUBLIC", b64encode(other.public))
    monkeypatch.setenv("AEGIS_MASTER_KEK_PRIVATE", b64encode(other.private))
    rows = look(capsys, "--for", "reader")
    assert rows["kek/provider: a DEK"]["status"] == "ok"
    assert rows["control/active DEK"]["status"] == "failed"
    assert "wrapped under kek-" in rows["control/active DEK"]["found"]


@pytest.mark.usefixtures("deployment")
def test_key_that_is_not_in_the_manifest_is_not_safe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers would refuse every event of this enricher, followers every manifest of this rotator."""
    for name, length in (("AEGIS_SESSION_SIGNING_KEY", 32), ("AEGIS_AGENT_SIGNING_KEY", 64)):
        monkeypatch.delenv(f"{name}_FILE")
        monkeypatch.setenv(name, b64encode(os.urandom(length)))
    rows = look(capsys)
    assert "is not enrolled" in rows["control/session key"]["found"]
    assert "is not in the manifest" in rows["control/agent key"]["found"]
    monkeypatch.delenv("AEGIS_SESSION_SIGNING_KEY")
    assert look(capsys)[""]["safe"] is False
    assert look(capsys, "--for", "reader")[""]["safe"] is True
    row = look(capsys, "--for", "enricher")["control/session key"]
    assert (row["status"], row["found"]) == ("failed", "AEGIS_SESSION_SIGNING_KEY is not set")


@pytest.mark.usefixtures("topics")
def test_deployment_without_keys_says_how_to_make_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the agent's key is missing, then the manifest."""
    row = look(capsys)["control/manifest"]
    assert row["status"] == "failed"
    assert "AEGIS_AGENT_PUBLIC_KEY" in row["remedy"]
    monkeypatch.setenv("AEGIS_AGENT_PUBLIC_KEY", b64encode(HybridSignature.generate_keypair().public))
    row = look(capsys)["control/manifest"]
    assert row["status"] == "failed"
    assert "aegis keys init" in row["remedy"]


@pytest.mark.usefixtures("deployment")
def test_topics_that_differ_are_told_one_by_one(
    capsys: pytest.CaptureFixture[str], kafka: str, topic_name: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `aegis topics check` says is here as well."""
    small = topic_name("small")
    asyncio.run(_make_topic(kafka, small))
    monkeypatch.setenv("AEGIS_TOPIC_ENCRYPTED", small)
    row = look(capsys)[f"topics/{small}"]
    assert row["status"] == "failed"
    assert row["remedy"]
    missing = topic_name("missing")
    monkeypatch.setenv("AEGIS_TOPIC_ENCRYPTED", missing)
    assert "aegis topics create" in look(capsys)[f"topics/{missing}"]["remedy"]


async def _make_topic(kafka: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1)])
    await admin.close()


@pytest.mark.usefixtures("deployment")
def test_broker_that_is_away_leaves_the_rest_unlooked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so in seconds, and says what it did not see."""
    monkeypatch.setenv("AEGIS_BROKER", "127.0.0.1:9")
    rows = look(capsys)
    assert rows["kafka/connection"]["status"] == "failed"
    assert "AEGIS_BROKER" in rows["kafka/connection"]["remedy"]
    assert rows["topics/settings"]["status"] == rows["control/manifest"]["status"] == "skipped"
    assert rows["kek/provider: a DEK"]["status"] == "ok"

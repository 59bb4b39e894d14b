"""`aegis dashboard` on a real Kafka, with a real agent and a real enricher."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import orjson
import pytest

from tests.support.command_line import CommandLine
from tests.support.control_topic import write
from tests.support.dashboard_stage import DashboardStage, dashboard_stage
from tests.support.operators import Operators

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.kafka

TOKEN = "a-token-of-thirty-two-characters"
EVENT = orjson.dumps({"event_id": "e-1", "actor_id": "mara@risk.example", "outcome": "pass"})


@pytest.fixture(scope="module")
def stage(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardStage]:
    """Run a deployment and its dashboard, which asks for a token."""
    folder = tmp_path_factory.mktemp("dashboard")
    with dashboard_stage(kafka, folder, f"dashboard-{os.getpid()}-{time.time_ns()}", token=TOKEN) as running:
        yield running


@pytest.fixture
def operators(
    stage: DashboardStage, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Operators:
    """Let custodians type commands."""
    return Operators(CommandLine(monkeypatch, capsysbinary), stage.place, monkeypatch)


def test_page_shows_traffic_lag_refusals_and_dead_letters(stage: DashboardStage) -> None:
    """Counted by the enricher, and on the topic from headers alone."""
    stage.send([EVENT] * 10 + [b"not json"] * 4 + [b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"])
    sections = stage.until(lambda now: now["dead_letters"]["total"] == 5 and now["traffic"]["refused"])
    assert {row["reason"]: row["total"] for row in sections["dead_letters"]["rows"]} == {"not-json": 4, "too-deep": 1}
    assert sections["dead_letters"]["partitions"] == [0, 1]
    sections = stage.until(lambda now: now["enrichers"][0]["events"] == 10 and now["enrichers"][0]["lag"] == 0)
    (enricher,) = sections["enrichers"]
    assert (enricher["up"], enricher["ready"]) == (True, True)
    assert enricher["refused"] == {"not-json": 4, "too-deep": 1}
    assert enricher["version"] == sections["manifest"]["active_version"]
    assert set(enricher["lags"]) == {"0", "1"}
    metrics = stage.get("/metrics").decode()
    assert 'aegis_dead_letter_records{reason="not-json"} 4.0' in metrics
    assert 'aegis_keyring_deks{state="active"} 1.0' in metrics
    assert orjson.loads(stage.get("/health")) == {"status": "following"}


def test_page_tells_what_became_of_dead_letters(stage: DashboardStage, operators: Operators) -> None:
    """So that nobody repairs what somebody else has put aside."""
    assert operators.aegis("dead-letters", "discard", "--reason", "too-deep", "--yes").code == 0
    stage.until(lambda now: now.get("marks", {}).get("discarded") == 1)


def test_page_follows_commands_from_the_first_signature_to_the_answer(
    stage: DashboardStage, operators: Operators
) -> None:
    """With the change they would make while they wait, and the change they made in the trail."""
    operators.ask("rotate", "--reason", "quarterly", by="risk-lead")
    sections = stage.until(lambda now: len(now["keyring"]["deks"]) == 2)
    new, old = (dek["version"] for dek in sections["keyring"]["deks"])
    reason = "laptop <script>alert(1)</script> lost"
    asked = operators.ask("revoke", old, "--reason", reason, by="risk-lead")
    sections = stage.until(lambda now: now["commands"]["waiting"])
    (waiting,) = sections["commands"]["waiting"]
    assert (waiting["id"], waiting["state"], waiting["missing"]) == (asked["id"], "PARTIAL", ["security-lead"])
    assert (waiting["signed_by"], waiting["command"]["reason"]) == (["risk-lead"], reason)
    assert waiting["changes"] == [f"DEK {old}: decrypt-only -> revoked"]

    operators.ask("control", "approve", asked["id"], by="security-lead")
    sections = stage.until(lambda now: not now["commands"]["waiting"])
    assert [dek["state"] for dek in sections["keyring"]["deks"]] == ["active", "revoked"]
    said = [each["what"] for each in sections["trail"]]
    assert {f"DEK {new} made", "rotate-dek executed", "revoke-dek asked for", "revoke-dek executed"} <= set(said)
    stage.until(lambda now: now["enrichers"][0]["version"] == new)


async def test_page_counts_what_is_refused_on_the_control_topic(stage: DashboardStage) -> None:
    """Somebody who may write to it and should not is what operators must see."""
    topic, kafka = stage.place.operator["AEGIS_TOPIC_CONTROL"], stage.place.operator["AEGIS_BROKER"]
    await write(kafka, topic, [("nowhere", b"<script>alert(1)</script>")])
    sections = stage.until(lambda now: now["refused"]["records"].get("envelope"))
    assert any(each["what"].startswith("Records of the control topic were refused") for each in sections["attention"])


def test_nothing_that_is_secret_reaches_the_page(stage: DashboardStage) -> None:
    """Neither keys, wrapped or not, nor values of events, nor the token."""
    shown = stage.get("/api/state") + stage.get("/metrics") + stage.get("/")
    keys = [file.read_bytes().strip() for file in stage.place.folder.rglob("*.key")]
    assert len(keys) > 5
    for secret in [*keys, TOKEN.encode(), b"mara@risk.example", b"encapsulation"]:
        assert secret not in shown


def test_an_enricher_that_is_gone_shows(stage: DashboardStage) -> None:
    """First of all that needs attention.  The last test: the enricher does not come back."""
    (enricher,) = stage.enrichers
    enricher.stop()
    sections = stage.until(lambda now: not now["enrichers"][0]["up"])
    assert sections["enrichers"][0]["problem"] == "nobody answers"
    stage.until(lambda now: any("nobody answers" in each["what"] for each in now["attention"]))
